// SPDX-License-Identifier: Apache-2.0
// What every kernel that is bound by memory shares: matrices of f32 or 16 bits read and written 8 elements at a time (16 bytes of
// the latter), and sums over a block in a fixed order.
#pragma once

#include <cstdint>

#include "narrow.cuh"

enum Type : int { F32 = 0, BF16 = 1, F16 = 2 };

// What is written, and what is read 8 at a time, is f32 or this; single elements are read of any type.
#ifdef QLORA_F16
constexpr Type NARROW = F16;
#else
constexpr Type NARROW = BF16;
#endif

// Rows of elements, `stride` elements from one row to the next. The type is a run-time value: every thread of a grid takes
// the same branch, which costs nothing beside memory, and one kernel serves every combination of types.
struct Matrix {
    void* data;
    long long stride;
    int type;

    __device__ long long at(long long row, long long col) const { return row * stride + col; }
};

// V consecutive elements from (row, col); V is 8, and the address a multiple of 16 bytes, or V is 1.
template <int V>
__device__ __forceinline__ void load(const Matrix& m, long long row, long long col, float (&x)[V]) {
    long long at = m.at(row, col);
    if constexpr (V == 8) {
        if (m.type == NARROW) {
            uint4 raw = *reinterpret_cast<const uint4*>(static_cast<const narrow*>(m.data) + at);
            const uint32_t pairs[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                x[2 * i] = low_narrow(pairs[i]);
                x[2 * i + 1] = high_narrow(pairs[i]);
            }
        } else {
            const float4* from = reinterpret_cast<const float4*>(static_cast<const float*>(m.data) + at);
            float4 a = from[0], b = from[1];
            x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
            x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
        }
    } else {
        static_assert(V == 1);
        x[0] = m.type == BF16 ? __bfloat162float(static_cast<const __nv_bfloat16*>(m.data)[at])
               : m.type == F16 ? __half2float(static_cast<const __half*>(m.data)[at])
                               : static_cast<const float*>(m.data)[at];
    }
}

template <int V>
__device__ __forceinline__ void store(const Matrix& m, long long row, long long col, const float (&x)[V]) {
    long long at = m.at(row, col);
    if constexpr (V == 8) {
        if (m.type == NARROW) {
            *reinterpret_cast<uint4*>(static_cast<narrow*>(m.data) + at) = make_uint4(
                pack_narrow(x[0], x[1]), pack_narrow(x[2], x[3]), pack_narrow(x[4], x[5]), pack_narrow(x[6], x[7]));
        } else {
            float4* to = reinterpret_cast<float4*>(static_cast<float*>(m.data) + at);
            to[0] = make_float4(x[0], x[1], x[2], x[3]);
            to[1] = make_float4(x[4], x[5], x[6], x[7]);
        }
    } else {
        if (m.type == NARROW) {
            static_cast<narrow*>(m.data)[at] = round_narrow(x[0]);
        } else {
            static_cast<float*>(m.data)[at] = x[0];
        }
    }
}

// Calls body(row, col) for every V-th column of a matrix: blocks side by side along a row, then down the rows.
template <int V, typename Body>
__device__ __forceinline__ void for_each(long long rows, long long cols, Body body) {
    long long col = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
    if (col >= cols) return;
    for (long long row = blockIdx.y; row < rows; row += gridDim.y) body(row, col);
}

struct Sum {
    template <typename T>
    __device__ static T of(T a, T b) { return a + b; }
};

struct Max {
    template <typename T>
    __device__ static T of(T a, T b) { return a > b ? a : b; }
};

// The same result in every thread: within warps by halves, then over the warps in order. `scratch` holds 32 elements.
template <typename Op, typename T>
__device__ __forceinline__ T reduce_block(T value, T* scratch) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) value = Op::of(value, __shfl_xor_sync(~0u, value, offset));
    int warps = (blockDim.x + 31) / 32;
    if (warps == 1) return value;
    __syncthreads();
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
    __syncthreads();
    T result = scratch[0];
    for (int i = 1; i < warps; i++) result = Op::of(result, scratch[i]);
    return result;
}
