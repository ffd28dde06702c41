// SPDX-License-Identifier: Apache-2.0
//
// What comes before and after attention_backward_sm90.cu: see there.
//
// Traffic: delta reads out and dO once, 4·D bytes a row and head; dQ's sums are read once and dq written once, 6·D.
#include "attention_sums.cuh"
#include "matrix.cuh"

namespace {

// delta[h, i] = Σ dO ∘ O over the D elements of a head; a warp a row and head, 16 bytes a lane.
template <int D>
__device__ void row_products(const narrow* out, int out_stride, const narrow* d_out, int d_out_stride, float* delta, int queries) {
    constexpr int LANES = D / 8;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    int lane = threadIdx.x % LANES;
    int head = blockIdx.y;
    bool exists = row < queries;
    float sum = 0.f;
    if (exists) {
        int4 a = *reinterpret_cast<const int4*>(out + (long)row * out_stride + head * D + lane * 8);
        int4 b = *reinterpret_cast<const int4*>(d_out + (long)row * d_out_stride + head * D + lane * 8);
        const uint32_t* x = reinterpret_cast<const uint32_t*>(&a);
        const uint32_t* y = reinterpret_cast<const uint32_t*>(&b);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            sum = fmaf(low_narrow(x[i]), low_narrow(y[i]), fmaf(high_narrow(x[i]), high_narrow(y[i]), sum));
        }
    }
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (exists && lane == 0) delta[(long)head * queries + row] = sum;
}

// What four lanes that follow each other have for the one of them that this is.
__device__ __forceinline__ uint4 gather4(const uint32_t (&of)[4], int lane) {
    bool odd = lane % 2 != 0, high = lane >= 2;
    // from the neighbour, what it has for this one: of the first two, of the last two
    uint32_t first = __shfl_xor_sync(~0u, odd ? of[0] : of[1], 1), last = __shfl_xor_sync(~0u, odd ? of[2] : of[3], 1);
    uint2 low_pair = odd ? make_uint2(first, of[1]) : make_uint2(of[0], first);
    uint2 high_pair = odd ? make_uint2(last, of[3]) : make_uint2(of[2], last);
    uint32_t x = __shfl_xor_sync(~0u, high ? low_pair.x : high_pair.x, 2), y = __shfl_xor_sync(~0u, high ? low_pair.y : high_pair.y, 2);
    return high ? make_uint4(x, y, high_pair.x, high_pair.y) : make_uint4(low_pair.x, low_pair.y, x, y);
}

// dq = scale · sums, from the order of place_in_sums to rows; 8 columns a thread, four times. Four neighbours read 32 columns, two
// sixteens of which each has a group, and exchange them, so that each writes 16 bytes in a row. All loads come first.
template <int D>
__device__ void finish_dq(const float* sums, narrow* dq, int dq_stride, int queries, float scale) {
    constexpr int ROW_THREADS = D / 8, UNROLL = 4, THREADS = 256;
    int head = blockIdx.y, lane = threadIdx.x % 4;
    int first_row = (blockIdx.x * UNROLL * THREADS + threadIdx.x) / ROW_THREADS, four = threadIdx.x % ROW_THREADS / 4;
    float4 x[UNROLL][2] = {};
#pragma unroll
    for (int j = 0; j < UNROLL; j++) {
        int row = first_row + j * (THREADS / ROW_THREADS);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float* from = sums + ((long)head * queries + row) * D + place_in_sums(2 * four + i, lane, row % 2 != 0);
            if (row < queries) x[j][i] = __ldcs(reinterpret_cast<const float4*>(from));
        }
    }
#pragma unroll
    for (int j = 0; j < UNROLL; j++) {
        int row = first_row + j * (THREADS / ROW_THREADS);
        uint32_t packed[4];
#pragma unroll
        for (int i = 0; i < 2; i++) {
            packed[2 * i] = pack_narrow(x[j][i].x * scale, x[j][i].y * scale);
            packed[2 * i + 1] = pack_narrow(x[j][i].z * scale, x[j][i].w * scale);
        }
        uint4 value = gather4(packed, lane);
        if (row < queries) *reinterpret_cast<uint4*>(dq + (long)row * dq_stride + head * D + four * 32 + lane * 8) = value;
    }
}

}  // namespace

extern "C" __global__ void attention_delta_64(const narrow* out, int out_stride, const narrow* d_out, int d_out_stride, float* delta, int queries) {
    row_products<64>(out, out_stride, d_out, d_out_stride, delta, queries);
}

extern "C" __global__ void attention_delta_128(const narrow* out, int out_stride, const narrow* d_out, int d_out_stride, float* delta, int queries) {
    row_products<128>(out, out_stride, d_out, d_out_stride, delta, queries);
}

extern "C" __global__ void attention_finish_dq_64(const float* sums, narrow* dq, int dq_stride, int queries, float scale) {
    finish_dq<64>(sums, dq, dq_stride, queries, scale);
}

extern "C" __global__ void attention_finish_dq_128(const float* sums, narrow* dq, int dq_stride, int queries, float scale) {
    finish_dq<128>(sums, dq, dq_stride, queries, scale);
}
