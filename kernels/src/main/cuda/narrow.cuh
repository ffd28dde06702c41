// SPDX-License-Identifier: Apache-2.0
// The type of 16 bits that a file's kernels are compiled for: bf16, and where compile-cuda.sh says so f16 once more, in a fatbin of
// its own, so that neither costs the other a register.
#pragma once

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#ifdef QLORA_F16

using narrow = __half;
// of both operands of a matrix instruction
#define MMA_TYPES "f16.f16"

__device__ __forceinline__ narrow round_narrow(float x) {
    return __float2half_rn(x);
}

__device__ __forceinline__ float widen_narrow(narrow x) {
    return __half2float(x);
}

__device__ __forceinline__ uint32_t pack_narrow(float low, float high) {
    __half2 pair = __floats2half2_rn(low, high);
    return *reinterpret_cast<uint32_t*>(&pair);
}

__device__ __forceinline__ float low_narrow(uint32_t pair) {
    return __low2float(*reinterpret_cast<const __half2*>(&pair));
}

__device__ __forceinline__ float high_narrow(uint32_t pair) {
    return __high2float(*reinterpret_cast<const __half2*>(&pair));
}

#else

using narrow = __nv_bfloat16;
#define MMA_TYPES "bf16.bf16"

__device__ __forceinline__ narrow round_narrow(float x) {
    return __float2bfloat16_rn(x);
}

__device__ __forceinline__ float widen_narrow(narrow x) {
    return __bfloat162float(x);
}

__device__ __forceinline__ uint32_t pack_narrow(float low, float high) {
    __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<uint32_t*>(&pair);
}

__device__ __forceinline__ float low_narrow(uint32_t pair) {
    return __uint_as_float(pair << 16);
}

__device__ __forceinline__ float high_narrow(uint32_t pair) {
    return __uint_as_float(pair & 0xffff0000u);
}

#endif
