// SPDX-License-Identifier: Apache-2.0
//
// Operations on each element: see Elementwise.java for the contract.
//
// Traffic: every operand once (2 or 4 bytes an element), nothing else; one operation an element. Each thread moves 8
// neighbours; a matrix without gaps between its rows comes as one row, so that a grid never has a ragged edge a row.
#include "matrix.cuh"

namespace {

template <int V>
__device__ __forceinline__ void cast(const Matrix& source, const Matrix& out, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(source, row, col, x);
        store<V>(out, row, col, x);
    });
}

template <int V>
__device__ __forceinline__ void add(const Matrix& a, const Matrix& b, const Matrix& out, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V], y[V];
        load<V>(a, row, col, x);
        load<V>(b, row, col, y);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] += y[i];
        store<V>(out, row, col, x);
    });
}

template <int V>
__device__ __forceinline__ void scale(const Matrix& source, float factor, const Matrix& out, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(source, row, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] *= factor;
        store<V>(out, row, col, x);
    });
}

template <int V>
__device__ __forceinline__ void soft_cap(const Matrix& source, float cap, const Matrix& out, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(source, row, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] = cap * tanhf(x[i] / cap);
        store<V>(out, row, col, x);
    });
}

template <int V>
__device__ __forceinline__ void add_bias(const Matrix& out, const Matrix& bias, long long rows, long long cols) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V], y[V];
        load<V>(out, row, col, x);
        load<V>(bias, 0, col, y);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] += y[i];
        store<V>(out, row, col, x);
    });
}

}  // namespace

#define VARIANT(V)                                                                                                          \
    extern "C" __global__ void cast_##V(Matrix source, Matrix out, long long rows, long long cols) {                        \
        cast<V>(source, out, rows, cols);                                                                                   \
    }                                                                                                                       \
    extern "C" __global__ void add_##V(Matrix a, Matrix b, Matrix out, long long rows, long long cols) {                    \
        add<V>(a, b, out, rows, cols);                                                                                      \
    }                                                                                                                       \
    extern "C" __global__ void scale_##V(Matrix source, Matrix out, long long rows, long long cols, float factor) {         \
        scale<V>(source, factor, out, rows, cols);                                                                          \
    }                                                                                                                       \
    extern "C" __global__ void soft_cap_##V(Matrix source, Matrix out, long long rows, long long cols, float cap) {         \
        soft_cap<V>(source, cap, out, rows, cols);                                                                          \
    }                                                                                                                       \
    extern "C" __global__ void add_bias_##V(Matrix out, Matrix bias, long long rows, long long cols) {                      \
        add_bias<V>(out, bias, rows, cols);                                                                                 \
    }

VARIANT(8)
VARIANT(1)
