// SPDX-License-Identifier: Apache-2.0
//
// Rows by index: see RowSelect.java for the contract.
//
// Traffic: each selected row read once and written once. An index outside the table is a fault of the caller; it stops the
// kernel with a trap rather than touch memory that belongs to something else.
#include "matrix.cuh"

namespace {

__device__ __forceinline__ long long checked(const int* indices, long long row, long long limit) {
    int index = indices[row];
    if (index < 0 || index >= limit) __trap();
    return index;
}

template <int V>
__device__ __forceinline__ void gather(const Matrix& table, const int* indices, const Matrix& out, long long rows, long long cols,
                                       long long table_rows, float factor) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(table, checked(indices, row, table_rows), col, x);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] *= factor;
        store<V>(out, row, col, x);
    });
}

template <int V>
__device__ __forceinline__ void scatter(const Matrix& source, const int* indices, const Matrix& out, long long rows,
                                        long long cols, long long out_rows) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float x[V];
        load<V>(source, row, col, x);
        store<V>(out, checked(indices, row, out_rows), col, x);
    });
}

}  // namespace

#define VARIANT(V)                                                                                                       \
    extern "C" __global__ void gather_##V(Matrix table, const int* indices, Matrix out, long long rows, long long cols,  \
                                          long long table_rows, float factor) {                                          \
        gather<V>(table, indices, out, rows, cols, table_rows, factor);                                                  \
    }                                                                                                                    \
    extern "C" __global__ void scatter_##V(Matrix source, const int* indices, Matrix out, long long rows, long long cols, \
                                           long long out_rows) {                                                         \
        scatter<V>(source, indices, out, rows, cols, out_rows);                                                          \
    }

VARIANT(8)
VARIANT(1)
