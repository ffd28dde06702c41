// SPDX-License-Identifier: Apache-2.0
//
// Inverted dropout with the mask of Philox 4×32-10: see Dropout.java for the contract.
//
// Traffic: x once in, once out. One call of Philox, 10 rounds of 2 wide multiplications, gives the words of 4 elements; the
// word of an element is word `index mod 4` at counter (index / 4, stream) and key `seed`, as on the CPU.
#include "matrix.cuh"

namespace {

__device__ __forceinline__ uint4 philox(uint64_t counter, uint64_t stream, uint64_t seed) {
    uint32_t c0 = counter, c1 = counter >> 32, c2 = stream, c3 = stream >> 32;
    uint32_t k0 = seed, k1 = seed >> 32;
#pragma unroll
    for (int round = 0; round < 10; round++) {
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

__device__ __forceinline__ float keep(float x, uint32_t word, uint32_t threshold, float factor) {
    return word >= threshold ? x * factor : 0.f;
}

}  // namespace

// Columns are a multiple of 8: a thread's elements begin with a whole counter.
extern "C" __global__ void dropout_8(Matrix x, Matrix out, long long rows, long long cols, uint32_t threshold, float factor,
                                     uint64_t seed, const uint64_t* stream_base, uint64_t module) {
    uint64_t stream = *stream_base + module;
    for_each<8>(rows, cols, [&](long long row, long long col) {
        float v[8];
        load<8>(x, row, col, v);
        uint64_t counter = (row * cols + col) / 4;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            uint4 words = philox(counter + half, stream, seed);
            v[half * 4] = keep(v[half * 4], words.x, threshold, factor);
            v[half * 4 + 1] = keep(v[half * 4 + 1], words.y, threshold, factor);
            v[half * 4 + 2] = keep(v[half * 4 + 2], words.z, threshold, factor);
            v[half * 4 + 3] = keep(v[half * 4 + 3], words.w, threshold, factor);
        }
        store<8>(out, row, col, v);
    });
}

extern "C" __global__ void dropout_1(Matrix x, Matrix out, long long rows, long long cols, uint32_t threshold, float factor,
                                     uint64_t seed, const uint64_t* stream_base, uint64_t module) {
    uint64_t stream = *stream_base + module;
    for_each<1>(rows, cols, [&](long long row, long long col) {
        float v[1];
        load<1>(x, row, col, v);
        uint64_t index = row * cols + col;
        uint4 words = philox(index / 4, stream, seed);
        uint32_t four[4] = {words.x, words.y, words.z, words.w};
        uint32_t word = index % 4 == 0 ? four[0] : index % 4 == 1 ? four[1] : index % 4 == 2 ? four[2] : four[3];
        v[0] = keep(v[0], word, threshold, factor);
        store<1>(out, row, col, v);
    });
}
