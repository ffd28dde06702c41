// SPDX-License-Identifier: Apache-2.0
// Optimizer states in 8 bits: codes of the dynamic map, a scale for 256 elements. See AdamW8bit.java for the contract.
#pragma once

#include "matrix.cuh"

// Of the signed map (first moment) and the unsigned one: numbers by code, codes by bin.
struct Tables {
    float signed_map[256];
    float unsigned_map[256];
    uint8_t signed_codes[65536];
    uint8_t unsigned_codes[65536];
};

// A moment in 8 bits.
struct State {
    uint8_t* codes;
    float* absmax;
};

namespace {

// In 8 bits a warp takes a block of 256 elements, eight a lane, all in registers: numbers are decoded, updated and encoded
// without a second pass. Codes come from a table of 65,536 bins for each map, which stays in the first-level cache.
constexpr int PER_LANE = 8;
constexpr int BLOCK = 32 * PER_LANE;

// A lane's elements of a block: eight neighbours, where they can be moved as vectors, or every 32nd.
struct Neighbours {
    __device__ static bool has(int, int, int) { return true; }

    __device__ static void load(const float* from, int lane, int, float (&x)[PER_LANE]) {
        const float4* vectors = reinterpret_cast<const float4*>(from + lane * PER_LANE);
        float4 a = vectors[0], b = vectors[1];
        x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
        x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
    }

    __device__ static void store(float* to, int lane, int, const float (&x)[PER_LANE]) {
        float4* vectors = reinterpret_cast<float4*>(to + lane * PER_LANE);
        vectors[0] = make_float4(x[0], x[1], x[2], x[3]);
        vectors[1] = make_float4(x[4], x[5], x[6], x[7]);
    }

    __device__ static void load(const uint8_t* from, int lane, int, uint32_t (&x)[PER_LANE]) {
        uint2 raw = *reinterpret_cast<const uint2*>(from + lane * PER_LANE);
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) x[i] = (i < 4 ? raw.x : raw.y) >> 8 * (i % 4) & 0xff;
    }

    __device__ static void store(uint8_t* to, int lane, int, const uint32_t (&x)[PER_LANE]) {
        *reinterpret_cast<uint2*>(to + lane * PER_LANE) = make_uint2(x[0] | x[1] << 8 | x[2] << 16 | x[3] << 24,
                                                                     x[4] | x[5] << 8 | x[6] << 16 | x[7] << 24);
    }
};

struct Strided {
    __device__ static int at(int lane, int i) { return i * 32 + lane; }
    __device__ static bool has(int lane, int i, int size) { return at(lane, i) < size; }

    template <typename T, typename X>
    __device__ static void load(const T* from, int lane, int size, X (&x)[PER_LANE]) {
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) x[i] = has(lane, i, size) ? static_cast<X>(from[at(lane, i)]) : X(0);
    }

    template <typename T, typename X>
    __device__ static void store(T* to, int lane, int size, const X (&x)[PER_LANE]) {
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            if (has(lane, i, size)) to[at(lane, i)] = static_cast<T>(x[i]);
        }
    }
};

template <typename Access>
__device__ __forceinline__ void decode(const State& state, long long block, long long first, int size, int lane, const float* map,
                                       float (&x)[PER_LANE]) {
    uint32_t codes[PER_LANE];
    Access::load(state.codes + first, lane, size, codes);
    float absmax = state.absmax[block];
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) x[i] = __fmul_rn(__ldg(map + codes[i]), absmax);
}

// The comparisons keep not-a-number, whose bin is the first, as in Java.
__device__ __forceinline__ int bin(float x) {
    x = x > 1.f ? 1.f : x < -1.f ? -1.f : x;
    return __float2int_rz(__fadd_rn(__fmul_rn(__fmul_rn(__fadd_rn(x, 1.f), 0.5f), 65535.f), 0.5f));
}

template <typename Access>
__device__ __forceinline__ void encode(const State& state, long long block, long long first, int size, int lane,
                                       const uint8_t* code_of_bin, const float (&x)[PER_LANE]) {
    float max = 0.f;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        float magnitude = Access::has(lane, i, size) ? fabsf(x[i]) : 0.f;
        max = magnitude > max ? magnitude : max;
    }
    for (int offset = 16; offset > 0; offset /= 2) max = fmaxf(max, __shfl_xor_sync(~0u, max, offset));
    float inverse = __fdiv_rn(1.f, max);
    uint32_t codes[PER_LANE];
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) codes[i] = max == 0.f ? 0 : __ldg(code_of_bin + bin(__fmul_rn(x[i], inverse)));
    Access::store(state.codes + first, lane, size, codes);
    if (lane == 0) state.absmax[block] = max;
}

}  // namespace
