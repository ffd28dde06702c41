// SPDX-License-Identifier: Apache-2.0
//
// Norms of rows, factors of columns and rows: see WeightNorm.java for the contract.
//
// Traffic: every matrix once. A norm's sum is in f32 and has a fixed order: a thread's own elements, then the block's.
#include "matrix.cuh"

namespace {

constexpr int THREADS = 256;

template <int V>
__device__ __forceinline__ void row_norms(const Matrix& w, long long cols, float* norms) {
    __shared__ float scratch[32];
    float sum = 0.f;
    for (long long col = static_cast<long long>(threadIdx.x) * V; col < cols; col += THREADS * V) {
        float x[V];
        load<V>(w, blockIdx.x, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) sum += x[i] * x[i];
    }
    sum = reduce_block<Sum>(sum, scratch);
    if (threadIdx.x == 0) norms[blockIdx.x] = sqrtf(sum);
}

template <int V>
__device__ __forceinline__ void scale_columns(const Matrix& x, const Matrix& factors, float offset, int add, const Matrix& y,
                                              long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float v[V], f[V], before[V];
        load<V>(x, row, col, v);
        load<V>(factors, 0, col, f);
        if (add) load<V>(y, row, col, before);
#pragma unroll
        for (int i = 0; i < V; i++) v[i] = add ? fmaf(v[i], f[i] + offset, before[i]) : v[i] * (f[i] + offset);
        store<V>(y, row, col, v);
    });
}

template <int V>
__device__ __forceinline__ void scale_rows(const Matrix& w, const float* factors, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(w, row, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] *= factors[row];
        store<V>(w, row, col, x);
    });
}

}  // namespace

extern "C" __global__ void divide(const float* magnitude, const float* norms, float* quotient, long long n) {
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < n) quotient[i] = __fdiv_rn(magnitude[i], norms[i]);
}

#define VARIANT(V)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS) row_norms_##V(Matrix w, long long cols, float* norms) {        \
        row_norms<V>(w, cols, norms);                                                                                    \
    }                                                                                                                    \
    extern "C" __global__ void scale_columns_##V(Matrix x, Matrix factors, float offset, int add, Matrix y,              \
                                                 long long rows, long long cols) {                                       \
        scale_columns<V>(x, factors, offset, add, y, rows, cols);                                                        \
    }                                                                                                                    \
    extern "C" __global__ void scale_rows_##V(Matrix w, const float* factors, long long rows, long long cols) {          \
        scale_rows<V>(w, factors, rows, cols);                                                                           \
    }

VARIANT(8)
VARIANT(1)
