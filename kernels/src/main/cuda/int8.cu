// SPDX-License-Identifier: Apache-2.0
//
// LLM.int8's weights, to 8-bit integers with a scale a row and back, bit for bit as bitsandbytes: see VectorwiseInt8.java.
//
// Traffic: dequantising, one byte an element in and 2 or 4 out, one scale a row from L1; 2 multiplications an element.
// Quantising, the weight once in from memory and once more from L2 (a block takes a row), one byte an element out; it runs once,
// while a model is loaded.
#include "matrix.cuh"

namespace {

constexpr int THREADS = 256;
constexpr float INVERSE = 7.874015718698502e-3f;  // bitsandbytes' factor in place of a division by 127

__device__ __forceinline__ float dequantized(int code, float scale) {
    return __fmul_rn(__fmul_rn(static_cast<float>(code), scale), INVERSE);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS)
    int8_quantize_rows(Matrix source, long long cols, int8_t* codes, float* absmax) {
    __shared__ uint32_t scratch[32];
    long long row = blockIdx.x;
    auto half = [&](long long col) {
        float x[1];
        load<1>(source, row, col, x);
        return __half2float(__float2half_rn(x[0]));
    };
    // magnitudes as integers are in the same order, and not-a-numbers above them all
    uint32_t largest = 0;
    for (long long col = threadIdx.x; col < cols; col += THREADS) {
        largest = max(largest, __float_as_uint(half(col)) & 0x7fffffff);
    }
    largest = reduce_block<Max>(largest, scratch);
    float scale = largest == 0 ? 0.f : __fmul_rn(__frcp_rn(__uint_as_float(largest)), 127.f);
    for (long long col = threadIdx.x; col < cols; col += THREADS) {
        codes[row * cols + col] = static_cast<int8_t>(__float2int_rn(__fmul_rn(half(col), scale)));
    }
    if (threadIdx.x == 0) absmax[row] = __uint_as_float(largest);
}

// A thread takes 16 neighbours: one load of 16 bytes, two or four stores.
extern "C" __global__ void __launch_bounds__(THREADS)
    int8_dequantize_16(const int8_t* codes, const float* absmax, Matrix out, long long rows, long long cols) {
    for_each<16>(rows, cols, [&](long long row, long long col) {
        uint4 raw = __ldcs(reinterpret_cast<const uint4*>(codes + row * cols + col));
        const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
        float scale = absmax[row];
#pragma unroll
        for (int part = 0; part < 2; part++) {
            float x[8];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                x[i] = dequantized(static_cast<int8_t>(words[part * 2 + i / 4] >> i % 4 * 8), scale);
            }
            store<8>(out, row, col + part * 8, x);
        }
    });
}

extern "C" __global__ void __launch_bounds__(THREADS)
    int8_dequantize_1(const int8_t* codes, const float* absmax, Matrix out, long long rows, long long cols) {
    for_each<1>(rows, cols, [&](long long row, long long col) {
        float x[1] = {dequantized(codes[row * cols + col], absmax[row])};
        store<1>(out, row, col, x);
    });
}
