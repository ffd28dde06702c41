// SPDX-License-Identifier: Apache-2.0
//
// Rows by index: see RowSelect.java for the contract.
//
// Traffic: each selected row read once and written once; where rows are added, those of one index are read for one that is written. An index outside the table is a fault of the caller; it stops the
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

// The thread of the first of an index' rows adds up all of them: `order` has them side by side. Their number is a matter of the data,
// and nothing of the launch depends on it.
template <int V>
__device__ __forceinline__ void scatter_add(const Matrix& source, const int* indices, const int* order, const Matrix& out,
                                            long long rows, long long cols, long long out_rows, float factor) {
    for_each<V>(rows, cols, [&](long long place, long long col) {
        long long index = checked(indices, checked(order, place, rows), out_rows);
        if (place > 0 && indices[checked(order, place - 1, rows)] == index) return;
        float sum[V] = {}, x[V];
        for (long long at = place; at < rows; at++) {
            long long row = checked(order, at, rows);
            if (indices[row] != index) break;
            load<V>(source, row, col, x);
#pragma unroll
            for (int i = 0; i < V; i++) sum[i] += x[i];
        }
        load<V>(out, index, col, x);
#pragma unroll
        for (int i = 0; i < V; i++) x[i] = fmaf(factor, sum[i], x[i]);
        store<V>(out, index, col, x);
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
    }                                                                                                                    \
    extern "C" __global__ void scatter_add_##V(Matrix source, const int* indices, const int* order, Matrix out,          \
                                               long long rows, long long cols, long long out_rows, float factor) {       \
        scatter_add<V>(source, indices, order, out, rows, cols, out_rows, factor);                                       \
    }

VARIANT(8)
VARIANT(1)
