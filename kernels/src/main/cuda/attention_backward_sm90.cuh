// SPDX-License-Identifier: Apache-2.0
// What the parts of a block of attention_backward_sm90.cu share: its memory, what it works on and in which order.
#pragma once

#include "attention_sums.cuh"
#include "hopper.cuh"
#include "sequences.cuh"

namespace {

using namespace hopper;

constexpr int BM = 64, BN = 128;
constexpr int STAGES = 3;
constexpr int BOX = 64;
constexpr int THREADS = 384;
constexpr float LOG2_E = 1.4426950408889634f;

template <int D>
struct __align__(1024) Shared {
    narrow k[D / BOX][BN * BOX];  // becomes dk
    narrow v[D / BOX][BN * BOX];  // becomes dv
    narrow q[STAGES][D / BOX][BM * BOX];
    narrow d_out[STAGES][D / BOX][BM * BOX];
    narrow ds[2][BN * BM];
    float dq[BM * D];           // see place_in_sums
    float log_sum_exp[STAGES][BM];  // in base 2
    float delta[STAGES][BM];
    uint64_t full_kv, full[STAGES], empty[STAGES], full_dq, empty_dq;
};

struct Problem {
    narrow* dk;
    narrow* dv;
    float* dq;
    unsigned* turns;
    const float* log_sum_exp;
    const float* delta;
    const int* query_starts;
    const int* key_starts;
    int sequences, queries, dk_stride, dv_stride, group, window;
    float scale, cap;
};

// The tiles of queries that see a block of keys.
struct Range {
    int offset, queries, keys, window, block, first, last;

    __device__ Range(const Tile& tile, int window)
        : offset(tile.keys - tile.queries), queries(tile.queries), keys(tile.keys), window(window), block(tile.row / BN) {
        int end = queries - 1;
        if (window > 0) end = min(end, min(tile.row + BN, keys) - 1 + window - 1 - offset);
        first = max(0, tile.row - offset) / BM;
        last = end < 0 ? -1 : end / BM;
    }

    __device__ bool visible(int row, int key) const {
        int position = offset + row;
        return key <= position && key < keys && (window == 0 || key > position - window);
    }

    __device__ bool whole(int m, int key) const {
        return key + 63 <= offset + m * BM && key + 64 <= keys && (window == 0 || key > offset + m * BM + BM - 1 - window);
    }

    // the first and the last block of keys that a tile of queries sees
    __device__ int last_block(int m) const { return (min(keys, offset + min((m + 1) * BM, queries)) - 1) / BN; }

    __device__ int first_block(int m) const { return window > 0 ? max(0, offset + m * BM - window + 1) / BN : 0; }
};

// A ring's place and the parity of its barriers.
struct Ring {
    int stage = 0;
    uint32_t phase = 0;

    __device__ __forceinline__ Ring next() const { return stage + 1 == STAGES ? Ring{0, phase ^ 1} : Ring{stage + 1, phase}; }
};

// Calls body(tile of queries, head) in the order in which all parts of a block go through them.
template <typename Body>
__device__ __forceinline__ void for_each_step(const Range& range, int kv_head, int group, Body body) {
#pragma unroll 1
    for (int m = range.last; m >= range.first; m--) {
#pragma unroll 1
        for (int head = kv_head * group; head < (kv_head + 1) * group; head++) body(m, head);
    }
}

}  // namespace
