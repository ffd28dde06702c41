// SPDX-License-Identifier: Apache-2.0
//
// Inverted dropout: see Dropout.java for the contract, philox.cuh for the bits.
//
// Traffic: x once in, once out. One call of Philox for 8 elements.
#include "matrix.cuh"
#include "philox.cuh"

// The index of x's first element and its columns are multiples of 8: a thread's elements are a call's.
extern "C" __global__ void dropout_8(Matrix x, Matrix out, long long rows, long long cols, uint32_t thresholds, float factor,
                                     uint64_t seed, const uint64_t* stream_base, uint64_t module, uint64_t first) {
    uint64_t stream = *stream_base + module;
    for_each<8>(rows, cols, [&](long long row, long long col) {
        float v[8];
        load<8>(x, row, col, v);
        uint4 random = philox((first + row * cols + col) / 8, stream, seed);
        const uint32_t words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            uint32_t keep = kept(words[i], thresholds);
            v[2 * i] = keep_low(v[2 * i] * factor, keep);
            v[2 * i + 1] = keep_high(v[2 * i + 1] * factor, keep);
        }
        store<8>(out, row, col, v);
    });
}

extern "C" __global__ void dropout_1(Matrix x, Matrix out, long long rows, long long cols, uint32_t thresholds, float factor,
                                     uint64_t seed, const uint64_t* stream_base, uint64_t module, uint64_t first) {
    uint64_t stream = *stream_base + module;
    for_each<1>(rows, cols, [&](long long row, long long col) {
        float v[1];
        load<1>(x, row, col, v);
        uint64_t index = first + row * cols + col;
        uint4 random = philox(index / 8, stream, seed);
        int word = index / 2 % 4;
        uint32_t keep = kept(word == 0 ? random.x : word == 1 ? random.y : word == 2 ? random.z : random.w, thresholds);
        v[0] = index % 2 == 0 ? keep_low(v[0] * factor, keep) : keep_high(v[0] * factor, keep);
        store<1>(out, row, col, v);
    });
}
