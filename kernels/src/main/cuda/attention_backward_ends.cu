// SPDX-License-Identifier: Apache-2.0
//
// What comes before and after attention_backward_sm90.cu: see there.
//
// Traffic: delta reads out and dO once, 4·D bytes a row and head; dQ's sums are read once and dq written once, 6·D.
#include <cuda_bf16.h>

#include "matrix.cuh"
#include "sequences.cuh"

namespace {

using bf16 = __nv_bfloat16;

constexpr int BM = 64;

// delta[h, i] = Σ dO ∘ O over the D elements of a head; a warp a row and head, 16 bytes a lane.
template <int D>
__device__ void row_products(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    constexpr int LANES = D / 8;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    int lane = threadIdx.x % LANES;
    int head = blockIdx.y;
    bool exists = row < queries;
    float sum = 0.f;
    if (exists) {
        int4 a = *reinterpret_cast<const int4*>(out + (long)row * out_stride + head * D + lane * 8);
        int4 b = *reinterpret_cast<const int4*>(d_out + (long)row * d_out_stride + head * D + lane * 8);
        const __nv_bfloat162* x = reinterpret_cast<const __nv_bfloat162*>(&a);
        const __nv_bfloat162* y = reinterpret_cast<const __nv_bfloat162*>(&b);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float2 u = __bfloat1622float2(x[i]), w = __bfloat1622float2(y[i]);
            sum = fmaf(u.x, w.x, fmaf(u.y, w.y, sum));
        }
    }
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (exists && lane == 0) delta[(long)head * queries + row] = sum;
}

// dq = scale · sums, from the order of the product's registers to rows, through shared memory so that memory sees 16 bytes at
// a time: with 4 it took four times as long. A block a tile of 64 queries and head, 256 threads.
template <int D>
__device__ void finish_dq(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts, int sequences,
                          int queries, float scale) {
    constexpr int STRIDE = D / 2 + 4;  // words of a row, so that 8 rows begin at different banks
    __shared__ __align__(16) uint32_t rows[BM * STRIDE];
    Tile tile = find_tile(blockIdx.x, BM, query_starts, key_starts, sequences);
    if (tile.queries == 0) return;
    int head = blockIdx.y;
    long number = tile_number(tile, tile.row / BM, BM, head, queries, sequences);
    int half = threadIdx.x / 128, thread = threadIdx.x % 128;
    const float4* from = reinterpret_cast<const float4*>(sums + number * BM * D) + half * (D / 16) * 128 + thread;
    uint32_t* to = rows + (thread / 32 * 16 + thread % 32 / 4) * STRIDE + half * (D / 4) + thread % 4;
    float4 x[D / 16];
#pragma unroll
    for (int i = 0; i < D / 16; i++) x[i] = __ldcs(from + i * 128);
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        to[i * 4] = pack_bf16(x[i].x * scale, x[i].y * scale);
        to[8 * STRIDE + i * 4] = pack_bf16(x[i].z * scale, x[i].w * scale);
    }
    __syncthreads();
    constexpr int PIECES = D / 8;
#pragma unroll
    for (int i = threadIdx.x; i < BM * PIECES; i += 256) {
        int row = i / PIECES, piece = i % PIECES;
        if (tile.row + row >= tile.queries) continue;
        uint4 value = *reinterpret_cast<const uint4*>(rows + row * STRIDE + piece * 4);
        *reinterpret_cast<uint4*>(dq + (long)(tile.query_start + tile.row + row) * dq_stride + head * D + piece * 8) = value;
    }
}

}  // namespace

extern "C" __global__ void attention_delta_64(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    row_products<64>(out, out_stride, d_out, d_out_stride, delta, queries);
}

extern "C" __global__ void attention_delta_128(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    row_products<128>(out, out_stride, d_out, d_out_stride, delta, queries);
}

extern "C" __global__ void attention_finish_dq_64(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts,
                                                  int sequences, int queries, float scale) {
    finish_dq<64>(sums, dq, dq_stride, query_starts, key_starts, sequences, queries, scale);
}

extern "C" __global__ void attention_finish_dq_128(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts,
                                                   int sequences, int queries, float scale) {
    finish_dq<128>(sums, dq, dq_stride, query_starts, key_starts, sequences, queries, scale);
}
