// SPDX-License-Identifier: Apache-2.0
//
// Softmax cross-entropy, forward, and forward with the gradient in place: see CrossEntropy.java for the contract.
//
// Traffic: the logits once from memory; with the gradient once more from L2 (a block of 1024 threads
// takes a row, so one row a multiprocessor is under way, some 34 MB for a vocabulary of 128,256) and once out. Two exponentials an element.
// The largest logit and the sum of exponentials are kept together (Milakov and Gimelshein, 2018): one pass for both.
#include "matrix.cuh"

namespace {

constexpr int MAX_THREADS = 1024;
constexpr int IGNORE_INDEX = -100;

// The fast exponential is off by about |x| · 1e-7, which bf16 logits don't notice and f32 logits do.
template <bool EXACT>
__device__ __forceinline__ float exponential(float x) {
    return EXACT ? expf(x) : __expf(x);
}

template <bool EXACT>
struct Running {
    float max = -INFINITY;
    float sum = 0.f;  // of exp(x − max)

    template <int V>
    __device__ __forceinline__ void take(const float (&x)[V]) {
        float top = max;
#pragma unroll
        for (int i = 0; i < V; i++) top = fmaxf(top, x[i]);
        float part = 0.f;
#pragma unroll
        for (int i = 0; i < V; i++) part += exponential<EXACT>(x[i] - top);
        sum = sum * exponential<EXACT>(max - top) + part;
        max = top;
    }
};

template <int V>
__device__ __forceinline__ void cap(float (&x)[V], float soft_cap) {
    if (soft_cap > 0.f) {
#pragma unroll
        for (int i = 0; i < V; i++) x[i] = __fmul_rn(soft_cap, tanhf(x[i] / soft_cap));
    }
}

template <int V>
__device__ __forceinline__ void zero_row(const Matrix& logits, long long row, int n) {
    float zero[V] = {};
    for (int col = threadIdx.x * V; col < n; col += blockDim.x * V) store<V>(logits, row, col, zero);
}

// SMOOTH: the label's distribution is smoothed, which takes the mean of the logits.
template <int V, bool EXACT, bool SMOOTH>
__device__ __forceinline__ void cross_entropy(const Matrix& logits, const int* labels, const float* row_scales, float* losses,
                                              int n, float soft_cap, float smoothing, float gradient_scale,
                                              int with_gradient) {
    __shared__ float scratch[32];
    long long row = blockIdx.x;
    int label = labels[row];
    if (label == IGNORE_INDEX) {
        if (threadIdx.x == 0) losses[row] = 0.f;
        if (with_gradient) zero_row<V>(logits, row, n);
        return;
    }
    if (label < 0 || label >= n) __trap();
    Running<EXACT> running;
    float total = 0.f;
#pragma unroll 4
    for (int col = threadIdx.x * V; col < n; col += blockDim.x * V) {
        float x[V];
        load<V>(logits, row, col, x);
        cap<V>(x, soft_cap);
        running.template take<V>(x);
        if (SMOOTH) {
#pragma unroll
            for (int i = 0; i < V; i++) total += x[i];
        }
    }
    float at_label[1];
    load<1>(logits, row, label, at_label);
    cap<1>(at_label, soft_cap);
    float max = reduce_block<Max>(running.max, scratch);
    // a thread without elements has −∞ and 0
    float mine = running.sum == 0.f ? 0.f : running.sum * exponential<EXACT>(running.max - max);
    float sum = reduce_block<Sum>(mine, scratch);
    float target = at_label[0];
    if (SMOOTH) target += smoothing * (reduce_block<Sum>(total, scratch) / n - target);
    if (threadIdx.x == 0) losses[row] = logf(sum) + (max - target);
    if (!with_gradient) return;
    __syncthreads();  // the label's logit is read before it is replaced
    if (row_scales != nullptr) gradient_scale *= row_scales[row];
    float factor = gradient_scale / sum;
    float elsewhere = SMOOTH ? gradient_scale * smoothing / n : 0.f;
    float at_the_label = SMOOTH ? gradient_scale * (1.f - smoothing) : gradient_scale;
#pragma unroll 4
    for (int col = threadIdx.x * V; col < n; col += blockDim.x * V) {
        float x[V];
        load<V>(logits, row, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float t = soft_cap > 0.f ? tanhf(x[i] / soft_cap) : 0.f;
            // not fused with what follows: the largest logit gives exp(0)
            float value = soft_cap > 0.f ? __fmul_rn(soft_cap, t) : x[i];
            float gradient = factor * exponential<EXACT>(value - max);
            if (SMOOTH) gradient -= elsewhere;
            if (col + i == label) gradient -= at_the_label;
            x[i] = soft_cap > 0.f ? gradient * (1.f - t * t) : gradient;
        }
        store<V>(logits, row, col, x);
    }
}

template <int V, bool SMOOTH>
__device__ __forceinline__ void choose(const Matrix& logits, const int* labels, const float* row_scales, float* losses, int n,
                                       float soft_cap, float smoothing, float gradient_scale, int with_gradient) {
    if (logits.type == F32) {
        cross_entropy<V, true, SMOOTH>(logits, labels, row_scales, losses, n, soft_cap, smoothing, gradient_scale,
                                       with_gradient);
    } else {
        cross_entropy<V, false, SMOOTH>(logits, labels, row_scales, losses, n, soft_cap, smoothing, gradient_scale,
                                       with_gradient);
    }
}

}  // namespace

#define VARIANT(V)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(MAX_THREADS) cross_entropy_##V(                                                    \
        Matrix logits, const int* labels, const float* row_scales, float* losses, int n, float soft_cap, float smoothing,        \
        float gradient_scale, int with_gradient) {                                                                              \
        if (smoothing > 0.f) {                                                                                                  \
            choose<V, true>(logits, labels, row_scales, losses, n, soft_cap, smoothing, gradient_scale, with_gradient);         \
        } else {                                                                                                                \
            choose<V, false>(logits, labels, row_scales, losses, n, soft_cap, smoothing, gradient_scale, with_gradient);        \
        }                                                                                                                       \
    }

VARIANT(8)
VARIANT(1)
