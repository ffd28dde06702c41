// SPDX-License-Identifier: Apache-2.0
// The numbers of LLM.int8 as bitsandbytes has them; see Int8Checks.java.
#pragma once

#include "narrow.cuh"

constexpr float INVERSE = 7.874015718698502e-3f;  // bitsandbytes' factor in place of a division by 127
constexpr float PRODUCT = 6.200124e-5f;           // bitsandbytes' factor in place of 1/127²

// What a weight's code stands for, rounded as the weight is where an input of 16 bits meets it.
__device__ __forceinline__ float dequantized(int code, float scale, bool narrow_weight) {
    float value = __fmul_rn(__fmul_rn(static_cast<float>(code), scale), INVERSE);
    return narrow_weight ? widen_narrow(round_narrow(value)) : value;
}
