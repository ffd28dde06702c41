// SPDX-License-Identifier: Apache-2.0
//
// Rotary position embedding in place: see Rope.java for the contract.
//
// Traffic: x once in, once out; the tables come from L1, since a block turns all heads of one token. 4 multiplications and 2
// additions a pair.
#include "matrix.cuh"

namespace {

// A thread turns V pairs of one head: elements i … i + V and half + i … half + i + V.
template <int V>
__device__ __forceinline__ void rope(const Matrix& x, const int* positions, const Matrix& cosines, const Matrix& sines,
                                     long long rows, int heads, int head_dim, int half, long long max_positions, float direction) {
    int per_head = half / V;
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        int position = positions[row];
        if (position < 0 || position >= max_positions) __trap();
        for (int item = threadIdx.x; item < heads * per_head; item += blockDim.x) {
            int i = item % per_head * V;
            long long col = static_cast<long long>(item / per_head) * head_dim + i;
            float a[V], b[V], c[V], s[V];
            load<V>(x, row, col, a);
            load<V>(x, row, col + half, b);
            load<V>(cosines, position, i, c);
            load<V>(sines, position, i, s);
            float first[V], second[V];
#pragma unroll
            for (int k = 0; k < V; k++) {
                float sine = direction * s[k];
                first[k] = a[k] * c[k] - b[k] * sine;
                second[k] = b[k] * c[k] + a[k] * sine;
            }
            store<V>(x, row, col, first);
            store<V>(x, row, col + half, second);
        }
    }
}

}  // namespace

#define VARIANT(V)                                                                                                            \
    extern "C" __global__ void rope_##V(Matrix x, const int* positions, Matrix cosines, Matrix sines, long long rows, int heads, \
                                        int head_dim, int half, long long max_positions, float direction) {                   \
        rope<V>(x, positions, cosines, sines, rows, heads, head_dim, half, max_positions, direction);                         \
    }

VARIANT(8)
VARIANT(1)
