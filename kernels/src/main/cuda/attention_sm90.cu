// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences of different lengths, forward, 16 bits, for Hopper: see Attention.java for the contract.
//
// Operations 4·D for each query and each key that it sees; traffic: q and out once, k and v once for every 128 queries of a
// head, from L2 where the heads of a group run side by side.
//
// A block takes tiles of 128 queries of one head, as many as come to it: warpgroup 0 drives the copy engine and is a tile ahead,
// warpgroups 1 and 2 hold 64 queries each. Keys come in blocks of 128, the last one first, so that those which need a mask come
// first. A warpgroup starts the scores of the next block before it weighs the values of this one, and the two take turns (named
// barriers): while one computes exponentials, the other one multiplies.
#include "hopper.cuh"
#include "sequences.cuh"

namespace {

using namespace hopper;

constexpr int BM = 128, BN = 128;
constexpr int STAGES = 2;
constexpr int BOX = 64;
constexpr int THREADS = 384;
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float LN_2 = 0.6931471805599453f;

template <int D>
struct __align__(1024) Shared {
    narrow q[D / BOX][BM * BOX];
    narrow out[D / BOX][BM * BOX];
    narrow k[STAGES][D / BOX][BN * BOX];
    narrow v[STAGES][D / BOX][BN * BOX];
    Tile tile;  // of q
    int head;
    uint64_t full_q, empty_q;
    uint64_t full_k[STAGES], empty_k[STAGES], full_v[STAGES], empty_v[STAGES];
};

struct Problem {
    narrow* out;
    float* log_sum_exp;
    const int* query_starts;
    const int* key_starts;
    int sequences, queries, out_stride, heads, group, window;
    float scale, cap;
};

// The keys that a tile of queries sees, in blocks of BN, and what a query sees of them.
struct Range {
    int offset, keys, window, first, last;

    __device__ Range(const Tile& tile, int window) : offset(tile.keys - tile.queries), keys(tile.keys), window(window) {
        int end = min(keys, offset + min(tile.row + BM, tile.queries));
        int begin = window > 0 ? max(0, offset + tile.row - window + 1) : 0;
        first = begin / BN;
        last = (end - 1) / BN;
    }

    __device__ bool visible(int row, int key) const {
        int position = offset + row;
        return key <= position && key < keys && (window == 0 || key > position - window);
    }

    // whether rows [row, row + 64) see all of block j
    __device__ bool whole(int row, int j) const {
        int key_end = (j + 1) * BN;
        return key_end - 1 <= offset + row && key_end <= keys && (window == 0 || j * BN > offset + row + 63 - window);
    }
};

// A ring's place and the parity of its barriers.
struct Ring {
    int stage = 0;
    uint32_t phase = 0;

    __device__ __forceinline__ Ring next() const { return stage + 1 == STAGES ? Ring{0, phase ^ 1} : Ring{stage + 1, phase}; }
};

template <int D>
__device__ __forceinline__ void load_tile(Shared<D>& s, const CUtensorMap* q, const CUtensorMap* k, const CUtensorMap* v, const Problem& p,
                                          const Tile& tile, int head, Ring& ring) {
    barrier_expect_bytes(&s.full_q, sizeof(s.q));
    for (int box = 0; box < D / BOX; box++) {
        load_box(s.q[box], q, &s.full_q, head * D + box * BOX, tile.query_start + tile.row);
    }
    Range range(tile, p.window);
    int column = head / p.group * D;
    for (int j = range.last; j >= range.first; j--) {
        int row = tile.key_start + j * BN, stage = ring.stage;
        barrier_wait(&s.empty_k[stage], ring.phase ^ 1);
        barrier_expect_bytes(&s.full_k[stage], sizeof(s.k[stage]));
        for (int box = 0; box < D / BOX; box++) load_box(s.k[stage][box], k, &s.full_k[stage], column + box * BOX, row);
        barrier_wait(&s.empty_v[stage], ring.phase ^ 1);
        barrier_expect_bytes(&s.full_v[stage], sizeof(s.v[stage]));
        for (int box = 0; box < D / BOX; box++) load_box(s.v[stage][box], v, &s.full_v[stage], column + box * BOX, row);
        ring = ring.next();
    }
}

// One warp: finds tiles and loads what they need.
template <int D>
__device__ void produce(Shared<D>& s, const CUtensorMap* q, const CUtensorMap* k, const CUtensorMap* v, const Problem& p) {
    Ring ring;
    for (int round = 0;; round++) {
        // there and back over the blocks, since the work of tiles falls along their order
        int place = round % 2 ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
        int number = round * gridDim.x + place;
        // the last tiles of sequences first: they see the most keys
        Tile tile = find_longest_tile<true>(number / p.heads, BM, p.query_starts, p.key_starts, p.sequences);
        int head = number % p.heads;
        if (threadIdx.x % 32 == 0) {
            barrier_wait(&s.empty_q, (round & 1) ^ 1);
            s.tile = tile;
            s.head = head;
            if (tile.queries == 0) {
                barrier_arrive(&s.full_q);
            } else {
                load_tile(s, q, k, v, p, tile, head, ring);
            }
        }
        if (tile.queries == 0) return;
    }
}

template <int D>
__device__ __forceinline__ void multiply_scores(Shared<D>& s, int stage, int consumer, float (&scores)[64]) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        uint64_t a = describe(s.q[k / 4] + consumer * 64 * BOX + k % 4 * 16, 1, 1024);
        uint64_t b = describe(s.k[stage][k / 4] + k % 4 * 16, 1, 1024);
        wgmma(scores, a, b, k > 0);
    }
    wgmma_commit();
}

template <int D>
__device__ __forceinline__ void multiply_values(Shared<D>& s, int stage, const uint32_t (&weights)[32], float (&out)[D / 2], bool first) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < BN / 16; k++) {
        uint64_t b = describe(s.v[stage][0] + k * 16 * BOX, BN * BOX * 2, 1024);
        wgmma<1>(out, weights + k * 4, b, !first || k > 0);
    }
    wgmma_commit();
}

// The running softmax of two rows of a thread (the second 8 below the first), in base 2.
struct Softmax {
    float maximum[2] = {-INFINITY, -INFINITY};
    float sum[2] = {0.f, 0.f};

    // scores become weights; returns in `factor` what earlier results are to be multiplied with
    __device__ __forceinline__ void update(float (&scores)[64], float scale, float (&factor)[2]) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float top = maximum[r];
#pragma unroll
            for (int j = 0; j < 16; j++) top = fmaxf(top, fmaxf(scores[4 * j + 2 * r], scores[4 * j + 2 * r + 1]));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
            // a row that has seen no key yet
            float bias = top == -INFINITY ? 0.f : top * scale;
            factor[r] = exp2_fast(maximum[r] * scale - bias);
            maximum[r] = top;
            float part = 0.f;
#pragma unroll
            for (int j = 0; j < 16; j++) {
#pragma unroll
                for (int c = 0; c < 2; c++) {
                    float& x = scores[4 * j + 2 * r + c];
                    x = exp2_fast(fmaf(x, scale, -bias));
                    part += x;
                }
            }
            sum[r] = sum[r] * factor[r] + part;
        }
    }

    // adds up the four threads of a row
    __device__ __forceinline__ void finish() {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            sum[r] += __shfl_xor_sync(~0u, sum[r], 1);
            sum[r] += __shfl_xor_sync(~0u, sum[r], 2);
        }
    }
};

template <bool CAP>
__device__ __forceinline__ void mask_and_cap(float (&scores)[64], const Range& range, const Problem& p, int row, int j) {
    if constexpr (CAP) {
#pragma unroll
        for (int i = 0; i < 64; i++) scores[i] = p.cap * tanhf(scores[i] * p.scale / p.cap);
    }
    if (range.whole(row, j)) return;
    int thread = threadIdx.x % 128;
    int line = row + thread / 32 * 16 + thread % 32 / 4;
    int key = j * BN + thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < 64; i++) {
        if (!range.visible(line + i % 4 / 2 * 8, key + i / 4 * 8 + i % 2)) scores[i] = -INFINITY;
    }
}

__device__ __forceinline__ void pack_weights(const float (&scores)[64], uint32_t (&weights)[32]) {
#pragma unroll
    for (int i = 0; i < 32; i++) weights[i] = pack_narrow(scores[2 * i], scores[2 * i + 1]);
}

template <int D>
__device__ void store(Shared<D>& s, const Problem& p, const Tile& tile, int head, int consumer, float (&out)[D / 2], Softmax& softmax) {
    int thread = threadIdx.x % 128, warp = thread / 32, lane = thread % 32;
    softmax.finish();
    float inverse[2];
#pragma unroll
    for (int r = 0; r < 2; r++) inverse[r] = 1.f / softmax.sum[r];
    int line = warp * 16 + lane % 16;
    __syncwarp();  // what the warp kept here of the tile before has been read
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
        const float* v = out + j * 8;
        char* box = reinterpret_cast<char*>(s.out[j / 4] + consumer * 64 * BOX);
        int chunk = (j % 4 * 2 + lane / 16) ^ (line % 8);
        store_matrix_x4(box + line * 128 + chunk * 16, pack_narrow(v[0] * inverse[0], v[1] * inverse[0]), pack_narrow(v[2] * inverse[1], v[3] * inverse[1]),
                        pack_narrow(v[4] * inverse[0], v[5] * inverse[0]), pack_narrow(v[6] * inverse[1], v[7] * inverse[1]));
    }
    int first = tile.row + consumer * 64;
    if (lane % 4 == 0) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = first + warp * 16 + lane / 4 + r * 8;
            float lse = (softmax.maximum[r] * (p.cap > 0.f ? LOG2_E : p.scale * LOG2_E) + log2f(softmax.sum[r])) * LN_2;
            if (row < tile.queries) p.log_sum_exp[(long)head * p.queries + tile.query_start + row] = lse;
        }
    }
    // a warp's own 16 rows: no other warp has written them
    __syncwarp();
    constexpr int CHUNKS = D / 8;
    for (int i = lane; i < 16 * CHUNKS; i += 32) {
        int r = warp * 16 + i / CHUNKS, c = i % CHUNKS;
        if (first + r >= tile.queries) continue;
        const char* box = reinterpret_cast<const char*>(s.out[c / 8] + consumer * 64 * BOX);
        int4 value = *reinterpret_cast<const int4*>(box + r * 128 + ((c % 8) ^ (r % 8)) * 16);
        *reinterpret_cast<int4*>(p.out + (long)(tile.query_start + first + r) * p.out_stride + head * D + c * 8) = value;
    }
}

// The consumers take turns at the tensor cores.
__device__ __forceinline__ void my_turn(int consumer) {
    asm volatile("bar.sync %0, 256;" ::"r"(4 + consumer) : "memory");
}

__device__ __forceinline__ void your_turn(int consumer) {
    asm volatile("bar.arrive %0, 256;" ::"r"(5 - consumer) : "memory");
}

template <int D, bool CAP>
__device__ __forceinline__ void consume_tile(Shared<D>& s, const Problem& p, const Tile& tile, int head, int consumer, Ring& ring) {
    Range range(tile, p.window);
    int row = tile.row + consumer * 64;
    float scale = CAP ? LOG2_E : p.scale * LOG2_E;
    float scores[64], out[D / 2], factor[2];
    uint32_t weights[32];
    Softmax softmax;
    barrier_wait(&s.full_k[ring.stage], ring.phase);
    my_turn(consumer);
    multiply_scores(s, ring.stage, consumer, scores);
    your_turn(consumer);
    wgmma_wait<0>();
    settle(scores);
    if (threadIdx.x % 128 == 0) barrier_arrive(&s.empty_k[ring.stage]);
    mask_and_cap<CAP>(scores, range, p, row, range.last);
    softmax.update(scores, scale, factor);
    pack_weights(scores, weights);
    for (int j = range.last - 1; j >= range.first; j--) {
        Ring next = ring.next();
        barrier_wait(&s.full_k[next.stage], next.phase);
        my_turn(consumer);
        multiply_scores(s, next.stage, consumer, scores);
        barrier_wait(&s.full_v[ring.stage], ring.phase);
        multiply_values(s, ring.stage, weights, out, j == range.last - 1);
        your_turn(consumer);
        wgmma_wait<1>();
        settle(scores);
        if (threadIdx.x % 128 == 0) barrier_arrive(&s.empty_k[next.stage]);
        mask_and_cap<CAP>(scores, range, p, row, j);
        softmax.update(scores, scale, factor);
        wgmma_wait<0>();
        settle(out);
        settle(weights);
        if (threadIdx.x % 128 == 0) barrier_arrive(&s.empty_v[ring.stage]);
#pragma unroll
        for (int i = 0; i < D / 2; i++) out[i] *= factor[i % 4 / 2];
        pack_weights(scores, weights);
        ring = next;
    }
    // all threads, each for its reading of s.tile: compute-sanitizer's racecheck doesn't follow that the turns have gathered them
    barrier_arrive(&s.empty_q);
    barrier_wait(&s.full_v[ring.stage], ring.phase);
    multiply_values(s, ring.stage, weights, out, range.first == range.last);
    wgmma_wait<0>();
    settle(out);
    if (threadIdx.x % 128 == 0) barrier_arrive(&s.empty_v[ring.stage]);
    ring = ring.next();
    store(s, p, tile, head, consumer, out, softmax);
}

template <int D, bool CAP>
__device__ void consume(Shared<D>& s, const Problem& p) {
    int consumer = threadIdx.x / 128 - 1;
    Ring ring;
    if (consumer == 1) your_turn(consumer);
    for (int round = 0;; round++) {
        barrier_wait(&s.full_q, round & 1);
        Tile tile = s.tile;
        int head = s.head;
        if (tile.queries == 0) return;
        consume_tile<D, CAP>(s, p, tile, head, consumer, ring);
    }
}

template <int D, bool CAP>
__device__ __forceinline__ void attention(const CUtensorMap* q, const CUtensorMap* k, const CUtensorMap* v, const Problem& p) {
    extern __shared__ __align__(1024) uint8_t memory[];
    Shared<D>& s = *reinterpret_cast<Shared<D>*>(memory);
    if (threadIdx.x == 0) {
        barrier_init(&s.full_q, 1);
        barrier_init(&s.empty_q, 256);
        for (int i = 0; i < STAGES; i++) {
            barrier_init(&s.full_k[i], 1);
            barrier_init(&s.full_v[i], 1);
            barrier_init(&s.empty_k[i], 2);
            barrier_init(&s.empty_v[i], 2);
        }
        barrier_init_fence();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        give_registers<24>();
        if (threadIdx.x < 32) produce(s, q, k, v, p);
    } else {
        take_registers<240>();
        consume<D, CAP>(s, p);
    }
}

}  // namespace

#define ATTENTION(NAME, D, CAP)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                                    \
        NAME(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap k, const __grid_constant__ CUtensorMap v, \
             narrow* out, float* log_sum_exp, const int* query_starts, const int* key_starts, int sequences, int queries,          \
             int out_stride, int heads, int group, int window, float scale, float cap) {                                                    \
        attention<D, CAP>(&q, &k, &v,                                                                                           \
                          Problem{out, log_sum_exp, query_starts, key_starts, sequences, queries, out_stride, heads, group, window, scale, cap}); \
    }

ATTENTION(attention_64_sm90, 64, false)
ATTENTION(attention_64_cap_sm90, 64, true)
ATTENTION(attention_128_sm90, 128, false)
ATTENTION(attention_128_cap_sm90, 128, true)
