// SPDX-License-Identifier: Apache-2.0
// Dropout's random bits: Philox 4×32-7, eight elements a call, 15 bits each. See Dropout.java for the contract.
#pragma once

#include <cstdint>

// About 40 instructions: a wide multiplication and an exclusive or of three a half round. Keys and, where `counter` is of 32
// bits, half of the first two rounds are the same in all calls of a loop.
__device__ __forceinline__ uint4 philox(uint64_t counter, uint64_t stream, uint64_t seed) {
    uint32_t c0 = counter, c1 = counter >> 32, c2 = stream, c3 = stream >> 32;
    uint32_t k0 = seed, k1 = seed >> 32;
#pragma unroll
    for (int round = 0; round < 7; round++) {
        uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
        c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
        c1 = static_cast<uint32_t>(p1);
        c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
        c3 = static_cast<uint32_t>(p0);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return make_uint4(c0, c1, c2, c3);
}

// Of the two elements of a word: the upper bit of each half is set if its other 15 bits are at least the threshold, which
// `thresholds` holds twice.
__device__ __forceinline__ uint32_t kept(uint32_t word, uint32_t thresholds) {
    return (word | 0x80008000u) - thresholds;
}

// A byte's upper bit in all bits of the bytes that SELECTOR names: 8 + the byte, a digit for each byte of the result.
template <int SELECTOR>
__device__ __forceinline__ uint32_t spread(uint32_t kept) {
    uint32_t mask;
    asm("prmt.b32 %0, %1, %1, %2;" : "=r"(mask) : "r"(kept), "n"(SELECTOR));
    return mask;
}

// All ones in the halves that are kept.
__device__ __forceinline__ uint32_t pair_mask(uint32_t word, uint32_t thresholds) {
    return spread<0xBB99>(kept(word, thresholds));
}

__device__ __forceinline__ float keep_low(float x, uint32_t kept) {
    return __uint_as_float(__float_as_uint(x) & spread<0x9999>(kept));
}

__device__ __forceinline__ float keep_high(float x, uint32_t kept) {
    return __uint_as_float(__float_as_uint(x) & spread<0xBBBB>(kept));
}
