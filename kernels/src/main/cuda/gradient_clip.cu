// SPDX-License-Identifier: Apache-2.0
//
// Sums in f64 in a fixed order, and the clipping factor: see GradientClip.java for the contract.
//
// Traffic: x once. Every chunk of 8192 elements gives one partial sum, whatever the number of multiprocessors; a second
// kernel of one block adds those in order. So the same gradients give the same norm, bit for bit.
#include "matrix.cuh"

namespace {

constexpr int THREADS = 256;
constexpr int CHUNK = 8192;

template <bool SQUARES>
__device__ __forceinline__ void partial_sums(const float* x, long long n, double* partial) {
    __shared__ double scratch[32];
    long long start = static_cast<long long>(blockIdx.x) * CHUNK;
    double sum = 0;
    float4 v[CHUNK / THREADS / 4];
#pragma unroll
    for (int j = 0; j < CHUNK / THREADS / 4; j++) {
        long long at = start + (j * THREADS + threadIdx.x) * 4;
        v[j] = make_float4(0.f, 0.f, 0.f, 0.f);
        if (at + 4 <= n) {
            v[j] = *reinterpret_cast<const float4*>(x + at);
        } else {
            if (at < n) v[j].x = x[at];
            if (at + 1 < n) v[j].y = x[at + 1];
            if (at + 2 < n) v[j].z = x[at + 2];
        }
    }
#pragma unroll
    for (int j = 0; j < CHUNK / THREADS / 4; j++) {
        const float four[4] = {v[j].x, v[j].y, v[j].z, v[j].w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            double value = four[i];
            sum += SQUARES ? value * value : value;
        }
    }
    sum = reduce_block<Sum>(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS) partial_squares(const float* x, long long n, double* partial) {
    partial_sums<true>(x, n, partial);
}

extern "C" __global__ void __launch_bounds__(THREADS) partial_sum(const float* x, long long n, double* partial) {
    partial_sums<false>(x, n, partial);
}

// One block. With `add` the sum goes on top of what `out` holds.
extern "C" __global__ void __launch_bounds__(THREADS) total(const double* partial, int count, double* out, int add) {
    __shared__ double scratch[32];
    double sum = 0;
    for (int i = threadIdx.x; i < count; i += THREADS) sum += partial[i];
    sum = reduce_block<Sum>(sum, scratch);
    if (threadIdx.x == 0) *out = add ? *out + sum : sum;
}

// One thread. The comparison keeps not-a-number, so that a broken gradient is not hidden.
extern "C" __global__ void clip(const double* sum_of_squares, float max_norm, float* norm_and_scale) {
    float norm = static_cast<float>(sqrt(*sum_of_squares));
    float scale = __fdiv_rn(max_norm, norm + 1e-6f);
    norm_and_scale[0] = norm;
    norm_and_scale[1] = max_norm == 0.f || scale >= 1.f ? 1.f : scale;
}
