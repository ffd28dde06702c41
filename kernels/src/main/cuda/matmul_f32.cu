// SPDX-License-Identifier: Apache-2.0
//
// c = alpha · op(a) · op(b) + beta · c in plain f32, for runs in f32 and for checks: see Matmul.java for the contract.
//
// Operations 2·M·N·K on the ordinary units; traffic (M·K·N/64 + N·K·M/64 + M·N)·4 bytes from L2 outwards. A block makes a tile
// of 64×64, a thread 4×4 of it; every sum runs over K in order.
#include "narrow.cuh"

namespace {

constexpr int TILE = 64, STEP = 16, THREADS = 256;

// Element (row, k) of an operand lies at row · row_stride + k · k_stride: one of the two is 1.
__device__ __forceinline__ void load_tile(float (&tile)[STEP][TILE + 4], const float* x, long long row_stride, long long k_stride,
                                          int first_row, int rows, int first_k, int depth) {
    for (int i = threadIdx.x; i < TILE * STEP; i += THREADS) {
        // neighbours in memory to neighbouring threads
        int row = k_stride == 1 ? i / STEP : i % TILE;
        int k = k_stride == 1 ? i % STEP : i / TILE;
        bool inside = first_row + row < rows && first_k + k < depth;
        tile[k][row] = inside ? x[(first_row + row) * row_stride + (first_k + k) * k_stride] : 0.f;
    }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS)
    matmul_f32(const float* a, long long a_row, long long a_k, const float* b, long long b_col, long long b_k, void* c,
               long long c_stride, int c_is_narrow, int m, int n, int k, float alpha, float beta) {
    __shared__ float as[STEP][TILE + 4], bs[STEP][TILE + 4];
    int first_row = blockIdx.y * TILE, first_col = blockIdx.x * TILE;
    int row = threadIdx.x / 16 * 4, col = threadIdx.x % 16 * 4;
    float sum[4][4] = {};
    for (int at = 0; at < k; at += STEP) {
        load_tile(as, a, a_row, a_k, first_row, m, at, k);
        load_tile(bs, b, b_col, b_k, first_col, n, at, k);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < STEP; i++) {
            float4 x = *reinterpret_cast<const float4*>(&as[i][row]);
            float4 y = *reinterpret_cast<const float4*>(&bs[i][col]);
            const float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int p = 0; p < 4; p++)
#pragma unroll
                for (int q = 0; q < 4; q++) sum[p][q] = fmaf(xs[p], ys[q], sum[p][q]);
        }
        __syncthreads();
    }
    for (int p = 0; p < 4; p++) {
        for (int q = 0; q < 4; q++) {
            int r = first_row + row + p, s = first_col + col + q;
            if (r >= m || s >= n) continue;
            long long at = r * c_stride + s;
            float before = beta == 0.f        ? 0.f
                           : c_is_narrow != 0 ? widen_narrow(static_cast<narrow*>(c)[at])
                                              : static_cast<float*>(c)[at];
            float value = alpha * sum[p][q] + beta * before;
            if (c_is_narrow != 0) {
                static_cast<narrow*>(c)[at] = round_narrow(value);
            } else {
                static_cast<float*>(c)[at] = value;
            }
        }
    }
}
