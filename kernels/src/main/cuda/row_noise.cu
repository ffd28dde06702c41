// SPDX-License-Identifier: Apache-2.0
//
// Uniform noise on rows: see RowNoise.java for the contract.
//
// Traffic: x once in, once out. One call of Philox for 4 elements.
#include "matrix.cuh"
#include "philox.cuh"

namespace {

// Exact: 24 bits of which 2²³ is taken away.
__device__ __forceinline__ float noisy(float x, uint32_t word, float bound) {
    float u = __fsub_rn(__fmul_rn(static_cast<float>(word >> 8), 0x1p-23f), 1.f);
    return __fadd_rn(x, __fmul_rn(u, bound));
}

}  // namespace

// Rows are a multiple of 8 elements long: a thread's are those of two calls.
extern "C" __global__ void row_noise_8(Matrix x, const float* bounds, long long rows, long long cols, uint64_t seed,
                                       const uint64_t* stream_base, uint64_t own) {
    uint64_t stream = *stream_base + own;
    for_each<8>(rows, cols, [&](long long row, long long col) {
        float v[8];
        load<8>(x, row, col, v);
        float bound = bounds[row];
        uint64_t counter = (row * cols + col) / 4;
        uint4 a = philox(counter, stream, seed), b = philox(counter + 1, stream, seed);
        const uint32_t words[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
#pragma unroll
        for (int i = 0; i < 8; i++) v[i] = noisy(v[i], words[i], bound);
        store<8>(x, row, col, v);
    });
}

extern "C" __global__ void row_noise_1(Matrix x, const float* bounds, long long rows, long long cols, uint64_t seed,
                                       const uint64_t* stream_base, uint64_t own) {
    uint64_t stream = *stream_base + own;
    for_each<1>(rows, cols, [&](long long row, long long col) {
        float v[1];
        load<1>(x, row, col, v);
        uint64_t index = row * cols + col;
        uint4 r = philox(index / 4, stream, seed);
        int word = index % 4;
        v[0] = noisy(v[0], word == 0 ? r.x : word == 1 ? r.y : word == 2 ? r.z : r.w, bounds[row]);
        store<1>(x, row, col, v);
    });
}
