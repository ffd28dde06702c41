// SPDX-License-Identifier: Apache-2.0
//
// Root-mean-square normalisation of each head, forward and backward: see HeadNorm.java for the contract.
//
// Traffic: forward x and y once, backward dy, x and dx once; a warp takes one head, and what it reads a second time, after the sum,
// is still in L1. Sums are in f32: a lane's own elements, then the lanes by halves.
#include "matrix.cuh"

namespace {

constexpr int WARP = 32;

struct Heads {
    long long rows;
    int heads, n;
    float offset, eps;
};

__device__ __forceinline__ float reduce_warp(float value) {
#pragma unroll
    for (int offset = WARP / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(~0u, value, offset);
    return value;
}

// Calls body(row, first column of the head, element of the head) for every V-th element of this lane's head.
template <int V, typename Body>
__device__ __forceinline__ void for_each_of_head(const Heads& p, long long item, Body body) {
    long long row = item / p.heads, start = item % p.heads * p.n;
    for (int i = threadIdx.x % WARP * V; i < p.n; i += WARP * V) body(row, start + i, i);
}

template <int V>
__device__ __forceinline__ void gains(const Matrix& weight, int i, float offset, float (&gain)[V]) {
    load<V>(weight, 0, i, gain);
#pragma unroll
    for (int k = 0; k < V; k++) gain[k] += offset;
}

__device__ __forceinline__ long long this_item() {
    return static_cast<long long>(blockIdx.x) * (blockDim.x / WARP) + threadIdx.x / WARP;
}

template <int V>
__device__ __forceinline__ void forward(const Matrix& x, const Matrix& weight, const Matrix& y, const Heads& p) {
    long long item = this_item();
    if (item >= p.rows * p.heads) return;
    float sum = 0.f;
    for_each_of_head<V>(p, item, [&](long long row, long long col, int) {
        float v[V];
        load<V>(x, row, col, v);
#pragma unroll
        for (int k = 0; k < V; k++) sum += v[k] * v[k];
    });
    float r = 1.f / sqrtf(reduce_warp(sum) / p.n + p.eps);
    for_each_of_head<V>(p, item, [&](long long row, long long col, int i) {
        float v[V], gain[V];
        load<V>(x, row, col, v);
        gains<V>(weight, i, p.offset, gain);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = v[k] * r * gain[k];
        store<V>(y, row, col, v);
    });
}

template <int V>
__device__ __forceinline__ void backward(const Matrix& dy, const Matrix& x, const Matrix& weight, const Matrix& dx, const Heads& p) {
    long long item = this_item();
    if (item >= p.rows * p.heads) return;
    float squares = 0.f, products = 0.f;
    for_each_of_head<V>(p, item, [&](long long row, long long col, int i) {
        float v[V], g[V], gain[V];
        load<V>(x, row, col, v);
        load<V>(dy, row, col, g);
        gains<V>(weight, i, p.offset, gain);
#pragma unroll
        for (int k = 0; k < V; k++) squares += v[k] * v[k], products += g[k] * gain[k] * v[k];
    });
    float r = 1.f / sqrtf(reduce_warp(squares) / p.n + p.eps);
    float factor = r * r * (reduce_warp(products) / p.n);
    for_each_of_head<V>(p, item, [&](long long row, long long col, int i) {
        float v[V], g[V], gain[V];
        load<V>(x, row, col, v);
        load<V>(dy, row, col, g);
        gains<V>(weight, i, p.offset, gain);
#pragma unroll
        for (int k = 0; k < V; k++) g[k] = r * (g[k] * gain[k] - v[k] * factor);
        store<V>(dx, row, col, g);
    });
}

}  // namespace

#define VARIANT(V)                                                                                                          \
    extern "C" __global__ void __launch_bounds__(128) head_norm_forward_##V(                                                \
        Matrix x, Matrix weight, Matrix y, long long rows, int heads, int n, float offset, float eps) {                     \
        forward<V>(x, weight, y, Heads{rows, heads, n, offset, eps});                                                       \
    }                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(128) head_norm_backward_##V(                                               \
        Matrix dy, Matrix x, Matrix weight, Matrix dx, long long rows, int heads, int n, float offset, float eps) {         \
        backward<V>(dy, x, weight, dx, Heads{rows, heads, n, offset, eps});                                                 \
    }

VARIANT(8)
VARIANT(1)
