// SPDX-License-Identifier: Apache-2.0
//
// Root-mean-square normalisation, forward and backward: see RmsNorm.java for the contract.
//
// Traffic: forward x and y once; backward dy, x, addTo and dx once; the weight comes from L2. A block takes one row and keeps
// it in registers between the sum and the result, 16 elements a thread; what a row of more than 8192 has beyond is read again.
// Sums are in f32: a thread's own elements, then the threads in a fixed tree.
#include "matrix.cuh"

namespace {

constexpr int KEPT = 2;  // vectors of V elements in registers

template <int V>
__device__ __forceinline__ void forward(const Matrix& x, const Matrix& weight, const Matrix& y, float* rstd, int n, float offset,
                                        float eps) {
    __shared__ float scratch[32];
    long long row = blockIdx.x;
    int step = blockDim.x * V;
    float kept[KEPT][V];
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        int col = threadIdx.x * V + j * step;
        if (col < n) load<V>(x, row, col, kept[j]);
    }
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        if (threadIdx.x * V + j * step < n) {
#pragma unroll
            for (int i = 0; i < V; i++) sum += kept[j][i] * kept[j][i];
        }
    }
    for (int col = threadIdx.x * V + KEPT * step; col < n; col += step) {
        float v[V];
        load<V>(x, row, col, v);
#pragma unroll
        for (int i = 0; i < V; i++) sum += v[i] * v[i];
    }
    sum = reduce_block<Sum>(sum, scratch);
    float r = 1.f / sqrtf(sum / n + eps);
    if (threadIdx.x == 0) rstd[row] = r;
    auto write = [&](int col, float (&v)[V]) {
        float w[V];
        load<V>(weight, 0, col, w);
#pragma unroll
        for (int i = 0; i < V; i++) v[i] = v[i] * r * (w[i] + offset);
        store<V>(y, row, col, v);
    };
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        int col = threadIdx.x * V + j * step;
        if (col < n) write(col, kept[j]);
    }
    for (int col = threadIdx.x * V + KEPT * step; col < n; col += step) {
        float v[V];
        load<V>(x, row, col, v);
        write(col, v);
    }
}

// g = dy · (weight + offset) of V elements, and their x.
template <int V>
__device__ __forceinline__ void load_gradient(const Matrix& dy, const Matrix& x, const Matrix& weight, long long row, int col,
                                              float offset, float (&g)[V], float (&v)[V]) {
    float w[V];
    load<V>(dy, row, col, g);
    load<V>(x, row, col, v);
    load<V>(weight, 0, col, w);
#pragma unroll
    for (int i = 0; i < V; i++) g[i] *= w[i] + offset;
}

template <int V>
__device__ __forceinline__ void backward(const Matrix& dy, const Matrix& x, const Matrix& weight, const float* rstd,
                                         const Matrix& add_to, const Matrix& dx, int n, float offset) {
    __shared__ float scratch[32];
    long long row = blockIdx.x;
    int step = blockDim.x * V;
    float g[KEPT][V], v[KEPT][V];
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        int col = threadIdx.x * V + j * step;
        if (col < n) {
            load_gradient<V>(dy, x, weight, row, col, offset, g[j], v[j]);
#pragma unroll
            for (int i = 0; i < V; i++) sum += g[j][i] * v[j][i];
        }
    }
    for (int col = threadIdx.x * V + KEPT * step; col < n; col += step) {
        float a[V], b[V];
        load_gradient<V>(dy, x, weight, row, col, offset, a, b);
#pragma unroll
        for (int i = 0; i < V; i++) sum += a[i] * b[i];
    }
    sum = reduce_block<Sum>(sum, scratch);
    float r = rstd[row];
    float factor = r * r * (sum / n);
    auto write = [&](int col, float (&a)[V], float (&b)[V]) {
        float more[V];
        if (add_to.data != nullptr) load<V>(add_to, row, col, more);
#pragma unroll
        for (int i = 0; i < V; i++) {
            a[i] = r * (a[i] - b[i] * factor);
            if (add_to.data != nullptr) a[i] += more[i];
        }
        store<V>(dx, row, col, a);
    };
#pragma unroll
    for (int j = 0; j < KEPT; j++) {
        int col = threadIdx.x * V + j * step;
        if (col < n) write(col, g[j], v[j]);
    }
    for (int col = threadIdx.x * V + KEPT * step; col < n; col += step) {
        float a[V], b[V];
        load_gradient<V>(dy, x, weight, row, col, offset, a, b);
        write(col, a, b);
    }
}

}  // namespace

#define VARIANT(V)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(512)                                                                          \
        rms_norm_forward_##V(Matrix x, Matrix weight, Matrix y, float* rstd, int n, float offset, float eps) {                  \
        forward<V>(x, weight, y, rstd, n, offset, eps);                                                                         \
    }                                                                                                                           \
    extern "C" __global__ void __launch_bounds__(512) rms_norm_backward_##V(                                                   \
        Matrix dy, Matrix x, Matrix weight, const float* rstd, Matrix add_to, Matrix dx, int n, float offset) {                 \
        backward<V>(dy, x, weight, rstd, add_to, dx, n, offset);                                                                \
    }

VARIANT(8)
VARIANT(1)
