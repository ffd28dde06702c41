// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences of different lengths, backward, bf16, for Hopper: see Attention.java for the contract.
//
//   P = exp(scale · QKᵀ − logSumExp)   dP = dO · Vᵀ   dS = P ∘ (dP − delta), delta = Σ dO ∘ O a row
//   dV = Pᵀ · dO    dK = scale · dSᵀ · Q    dQ = scale · dS · K
//
// Operations 10·D for each query and each key that it sees; traffic: k, v, dk, dv once, q and dO once for every 128 keys of
// a key/value head (from L2), and dQ as f32 sums in L2.
//
// A block takes 128 keys of one key/value head and all query heads of its group, so dK and dV are sums in registers.
// Warpgroup 0 drives the copy engine (warp 0: loads, warp 1: sums of dQ); warpgroups 1 and 2 hold 64 keys each.
//
// dQ gets a part from every block of keys. To be the same bits on every run the parts are added in one order, from the last
// block of keys to the first, each waiting for the one before (a counter for every 64 queries). The block that comes first in
// that order starts at its diagonal at the same time as all others start at theirs, so in step t each block finds that the
// one before it has finished the same queries in step t − 1: the order costs next to nothing. Blocks are launched in that
// order too, so that one never waits for another that has not started.
#include "hopper.cuh"
#include "sequences.cuh"

namespace {

using namespace hopper;
using bf16 = __nv_bfloat16;

constexpr int BM = 64, BN = 128;
constexpr int STAGES = 2;
constexpr int BOX = 64;
constexpr int THREADS = 384;
constexpr float LOG2_E = 1.4426950408889634f;

template <int D>
struct __align__(1024) Shared {
    bf16 k[D / BOX][BN * BOX];  // becomes dk
    bf16 v[D / BOX][BN * BOX];  // becomes dv
    bf16 q[STAGES][D / BOX][BM * BOX];
    bf16 d_out[STAGES][D / BOX][BM * BOX];
    bf16 ds[2][BN * BM];
    float dq[BM * D];
    float log_sum_exp[STAGES][BM];  // in base 2
    float delta[STAGES][BM];
    uint64_t full_kv, full[STAGES], empty[STAGES], full_dq, empty_dq;
};

struct Problem {
    bf16* dk;
    bf16* dv;
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

// Where the sums and the counter of a tile of queries stand: tiles of different sequences never share a number.
__device__ __forceinline__ long tile_number(const Tile& tile, int m, int head, const Problem& p) {
    int tiles = p.queries / BM + p.sequences + 1;
    return (long)head * tiles + tile.query_start / BM + tile.sequence + m;
}

template <int D>
__device__ void produce(Shared<D>& s, const CUtensorMap* q, const CUtensorMap* k, const CUtensorMap* v, const CUtensorMap* d_out,
                        const Problem& p, const Tile& tile, const Range& range, int kv_head) {
    int lane = threadIdx.x % 32;
    if (lane == 0) {
        barrier_expect_bytes(&s.full_kv, sizeof(s.k) + sizeof(s.v));
        for (int box = 0; box < D / BOX; box++) {
            load_box(s.k[box], k, &s.full_kv, kv_head * D + box * BOX, tile.key_start + tile.row);
            load_box(s.v[box], v, &s.full_kv, kv_head * D + box * BOX, tile.key_start + tile.row);
        }
    }
    int stage = 0;
    uint32_t phase = 0;
    for (int head = kv_head * p.group; head < (kv_head + 1) * p.group; head++) {
        for (int m = range.first; m <= range.last; m++) {
            barrier_wait(&s.empty[stage], phase ^ 1);
            for (int i = lane; i < BM; i += 32) {
                int row = m * BM + i;
                long at = (long)head * p.queries + tile.query_start + row;
                // a query beyond the end of the sequence weighs nothing
                s.log_sum_exp[stage][i] = row < tile.queries ? p.log_sum_exp[at] * LOG2_E : INFINITY;
                s.delta[stage][i] = row < tile.queries ? p.delta[at] : 0.f;
            }
            __syncwarp();
            if (lane == 0) {
                barrier_expect_bytes(&s.full[stage], sizeof(s.q[stage]) + sizeof(s.d_out[stage]));
                for (int box = 0; box < D / BOX; box++) {
                    load_box(s.q[stage][box], q, &s.full[stage], head * D + box * BOX, tile.query_start + m * BM);
                    load_box(s.d_out[stage][box], d_out, &s.full[stage], head * D + box * BOX, tile.query_start + m * BM);
                }
            }
            if (++stage == STAGES) {
                stage = 0;
                phase ^= 1;
            }
        }
    }
}

// One thread: adds the parts of dQ to the sums in their order.
template <int D>
__device__ void sum_dq(Shared<D>& s, const Problem& p, const Tile& tile, const Range& range, int kv_head) {
    uint32_t phase = 0;
    for (int head = kv_head * p.group; head < (kv_head + 1) * p.group; head++) {
        for (int m = range.first; m <= range.last; m++) {
            barrier_wait(&s.full_dq, phase);
            phase ^= 1;
            long number = tile_number(tile, m, head, p);
            unsigned turn = range.last_block(m) - range.block, now;
            do {
                asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(p.turns + number) : "memory");
            } while (now != turn);
            asm volatile("fence.proxy.async.global;" ::: "memory");
            float* sums = p.dq + number * BM * D;
            if (turn == 0) {
                store_bytes(sums, s.dq, sizeof(s.dq));
            } else {
                add_floats(sums, s.dq, sizeof(s.dq));
            }
            store_commit();
            store_wait_read();
            barrier_arrive(&s.empty_dq);
            store_wait();
            asm volatile("fence.proxy.async.global;" ::: "memory");
            // the last one leaves the counter as it was found
            unsigned after = range.block == range.first_block(m) ? 0 : turn + 1;
            asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p.turns + number), "r"(after) : "memory");
        }
    }
}

template <bool CAP>
__device__ __forceinline__ void weigh(float (&st)[32], const float* log_sum_exp, const Problem& p) {
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        float2 lse = *reinterpret_cast<const float2*>(log_sum_exp + j * 8 + column);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float score = CAP ? p.cap * tanhf(st[4 * j + i] * p.scale / p.cap) * LOG2_E : st[4 * j + i] * (p.scale * LOG2_E);
            st[4 * j + i] = exp2f(score - (i % 2 ? lse.y : lse.x));
        }
    }
}

__device__ __forceinline__ void mask(float (&st)[32], const Range& range, int m, int key) {
    if (range.whole(m, key)) return;
    int thread = threadIdx.x % 128;
    int line = key + thread / 32 * 16 + thread % 32 / 4;
    int row = m * BM + thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < 32; i++) {
        if (!range.visible(row + i / 4 * 8 + i % 2, line + i % 4 / 2 * 8)) st[i] = 0.f;
    }
}

template <int N>
__device__ __forceinline__ void pack_all(const float* from, uint32_t (&to)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) to[i] = pack(from[2 * i], from[2 * i + 1]);
}

// dSᵀ as [keys][queries] in the 128-byte swizzle: a row of 64 queries is 128 bytes.
__device__ __forceinline__ void share_ds(bf16* ds, const uint32_t (&packed)[16], int consumer) {
    int thread = threadIdx.x % 128, lane = thread % 32;
    int line = thread / 32 * 16 + lane % 16;
    char* rows = reinterpret_cast<char*>(ds + consumer * 64 * BM);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        int chunk = (j * 2 + lane / 16) ^ (line % 8);
        store_matrix_x4(rows + line * 128 + chunk * 16, packed[4 * j], packed[4 * j + 1], packed[4 * j + 2], packed[4 * j + 3]);
    }
}

// 64 keys of dk or dv through shared memory to rows of 16-byte stores.
template <int D>
__device__ void store_rows(bf16 (&through)[D / BOX][BN * BOX], bf16* out, int stride, int kv_head, const Tile& tile, int consumer,
                           const float (&d)[D / 2], float scale) {
    int thread = threadIdx.x % 128, warp = thread / 32, lane = thread % 32;
    int line = warp * 16 + lane % 16;
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
        const float* x = d + j * 8;
        char* box = reinterpret_cast<char*>(through[j / 4] + consumer * 64 * BOX);
        int chunk = (j % 4 * 2 + lane / 16) ^ (line % 8);
        store_matrix_x4(box + line * 128 + chunk * 16, pack(x[0] * scale, x[1] * scale), pack(x[2] * scale, x[3] * scale),
                        pack(x[4] * scale, x[5] * scale), pack(x[6] * scale, x[7] * scale));
    }
    __syncwarp();
    constexpr int CHUNKS = D / 8;
    for (int i = lane; i < 16 * CHUNKS; i += 32) {
        int r = warp * 16 + i / CHUNKS, c = i % CHUNKS;
        int key = tile.row + consumer * 64 + r;
        if (key >= tile.keys) continue;
        const char* box = reinterpret_cast<const char*>(through[c / 8] + consumer * 64 * BOX);
        int4 value = *reinterpret_cast<const int4*>(box + r * 128 + ((c % 8) ^ (r % 8)) * 16);
        *reinterpret_cast<int4*>(out + (long)(tile.key_start + key) * stride + kv_head * D + c * 8) = value;
    }
}

template <int D, bool CAP>
__device__ void consume(Shared<D>& s, const Problem& p, const Tile& tile, const Range& range, int kv_head) {
    int consumer = threadIdx.x / 128 - 1;
    int thread = threadIdx.x % 128;
    int key = tile.row + consumer * 64;
    float dk[D / 2], dv[D / 2];
#pragma unroll
    for (int i = 0; i < D / 2; i++) dk[i] = dv[i] = 0.f;
    int steps = (range.last - range.first + 1) * p.group;
    int stage = 0;
    uint32_t phase = 0;
    barrier_wait(&s.full_kv, 0);
    for (int step = 0; step < steps; step++) {
        int m = range.first + step % (range.last - range.first + 1);
        barrier_wait(&s.full[stage], phase);
        float st[32], dp[32];
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
            wgmma(st, describe(s.k[k / 4] + consumer * 64 * BOX + k % 4 * 16, 1, 1024), describe(s.q[stage][k / 4] + k % 4 * 16, 1, 1024), k > 0);
        }
        wgmma_commit();
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
            wgmma(dp, describe(s.v[k / 4] + consumer * 64 * BOX + k % 4 * 16, 1, 1024), describe(s.d_out[stage][k / 4] + k % 4 * 16, 1, 1024), k > 0);
        }
        wgmma_commit();
        wgmma_wait<1>();
        settle(st);
        float slope[CAP ? 32 : 1];
        if constexpr (CAP) {
#pragma unroll
            for (int i = 0; i < 32; i++) {
                float t = tanhf(st[i] * p.scale / p.cap);
                slope[i] = 1.f - t * t;
            }
        }
        weigh<CAP>(st, s.log_sum_exp[stage], p);
        mask(st, range, m, key);
        uint32_t weights[16];
        pack_all(st, weights);
        wgmma_wait<0>();
        settle(dp);
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < BM / 16; k++) {
            wgmma<1>(dv, weights + k * 4, describe(s.d_out[stage][0] + k * 16 * BOX, BM * BOX * 2, 1024));
        }
        wgmma_commit();
        int column = thread % 4 * 2;
#pragma unroll
        for (int j = 0; j < 8; j++) {
            float2 delta = *reinterpret_cast<const float2*>(s.delta[stage] + j * 8 + column);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float x = st[4 * j + i] * (dp[4 * j + i] - (i % 2 ? delta.y : delta.x));
                dp[4 * j + i] = CAP ? x * slope[CAP ? 4 * j + i : 0] : x;
            }
        }
        uint32_t ds[16];
        pack_all(dp, ds);
        // two buffers: the other warpgroup may still multiply with the one before
        bf16* shared_ds = s.ds[step % 2];
        share_ds(shared_ds, ds, consumer);
        async_proxy_fence();
        named_barrier(3, 256);
        float dq[D / 4];
        wgmma_fence();
#pragma unroll
        for (int k = 0; k < BN / 16; k++) {
            const bf16* keys = D == 128 ? s.k[consumer % (D / BOX)] : s.k[0] + consumer * 32;
            wgmma<1, 1>(dq, describe(shared_ds + k * 16 * BM, 1, 1024), describe(keys + k * 16 * BOX, BN * BOX * 2, 1024), k > 0);
        }
        wgmma_commit();
#pragma unroll
        for (int k = 0; k < BM / 16; k++) {
            wgmma<1>(dk, ds + k * 4, describe(s.q[stage][0] + k * 16 * BOX, BM * BOX * 2, 1024));
        }
        wgmma_commit();
        wgmma_wait<1>();
        settle(dq);
        barrier_wait(&s.empty_dq, (step & 1) ^ 1);
        float4* sums = reinterpret_cast<float4*>(s.dq) + consumer * (D / 16) * 128 + thread;
#pragma unroll
        for (int i = 0; i < D / 16; i++) sums[i * 128] = make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]);
        async_proxy_fence();
        named_barrier(1 + consumer, 128);
        if (thread == 0) barrier_arrive(&s.full_dq);
        wgmma_wait<0>();
        settle(dk);
        settle(dv);
        settle(ds);
        settle(weights);
        if (thread == 0) barrier_arrive(&s.empty[stage]);
        if (++stage == STAGES) {
            stage = 0;
            phase ^= 1;
        }
    }
    // the other warpgroup may still read all keys
    named_barrier(3, 256);
    store_rows<D>(s.k, p.dk, p.dk_stride, kv_head, tile, consumer, dk, p.scale);
    store_rows<D>(s.v, p.dv, p.dv_stride, kv_head, tile, consumer, dv, 1.f);
}

template <int D, bool CAP>
__device__ __forceinline__ void attention_backward(const CUtensorMap* q, const CUtensorMap* k, const CUtensorMap* v, const CUtensorMap* d_out,
                                                   const Problem& p) {
    extern __shared__ __align__(1024) uint8_t memory[];
    Shared<D>& s = *reinterpret_cast<Shared<D>*>(memory);
    Tile tile = find_tile(gridDim.x - 1 - blockIdx.x, BN, p.query_starts, p.key_starts, p.sequences, true);
    if (tile.keys == 0) return;
    if (threadIdx.x == 0) {
        barrier_init(&s.full_kv, 1);
        barrier_init(&s.full_dq, 2);
        barrier_init(&s.empty_dq, 1);
        for (int i = 0; i < STAGES; i++) {
            barrier_init(&s.full[i], 1);
            barrier_init(&s.empty[i], 2);
        }
        barrier_init_fence();
    }
    __syncthreads();
    Range range(tile, p.window);
    int kv_head = blockIdx.y;
    if (threadIdx.x < 128) {
        give_registers<24>();
        if (threadIdx.x < 32) produce(s, q, k, v, d_out, p, tile, range, kv_head);
        if (threadIdx.x == 32) sum_dq(s, p, tile, range, kv_head);
    } else {
        take_registers<240>();
        consume<D, CAP>(s, p, tile, range, kv_head);
    }
}

}  // namespace

#define ATTENTION_BACKWARD(NAME, D, CAP)                                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, 1)                                                                     \
        NAME(const __grid_constant__ CUtensorMap q, const __grid_constant__ CUtensorMap k, const __grid_constant__ CUtensorMap v, \
             const __grid_constant__ CUtensorMap d_out, bf16* dk, bf16* dv, float* dq, unsigned* turns, const float* log_sum_exp, \
             const float* delta, const int* query_starts, const int* key_starts, int sequences, int queries, int dk_stride,      \
             int dv_stride, int group, int window, float scale, float cap) {                                                     \
        attention_backward<D, CAP>(&q, &k, &v, &d_out,                                                                           \
                                   Problem{dk, dv, dq, turns, log_sum_exp, delta, query_starts, key_starts, sequences, queries,  \
                                           dk_stride, dv_stride, group, window, scale, cap});                                    \
    }

ATTENTION_BACKWARD(attention_backward_64_sm90, 64, false)
ATTENTION_BACKWARD(attention_backward_64_cap_sm90, 64, true)
ATTENTION_BACKWARD(attention_backward_128_sm90, 128, false)
ATTENTION_BACKWARD(attention_backward_128_cap_sm90, 128, true)

// delta[h, i] = Σ dO ∘ O over the D elements of a head; a warp a row and head, 16 bytes a lane.
template <int D>
__device__ void row_products(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    constexpr int LANES = D / 8;
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / LANES;
    int lane = threadIdx.x % LANES;
    int head = blockIdx.y;
    bool exists = row < queries;
    float sum = 0.f;
    if (exists) {
        int4 a = *reinterpret_cast<const int4*>(out + (long)row * out_stride + head * D + lane * 8);
        int4 b = *reinterpret_cast<const int4*>(d_out + (long)row * d_out_stride + head * D + lane * 8);
        const __nv_bfloat162* x = reinterpret_cast<const __nv_bfloat162*>(&a);
        const __nv_bfloat162* y = reinterpret_cast<const __nv_bfloat162*>(&b);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float2 u = __bfloat1622float2(x[i]), w = __bfloat1622float2(y[i]);
            sum = fmaf(u.x, w.x, fmaf(u.y, w.y, sum));
        }
    }
#pragma unroll
    for (int step = LANES / 2; step > 0; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (exists && lane == 0) delta[(long)head * queries + row] = sum;
}

extern "C" __global__ void attention_delta_64(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    row_products<64>(out, out_stride, d_out, d_out_stride, delta, queries);
}

extern "C" __global__ void attention_delta_128(const bf16* out, int out_stride, const bf16* d_out, int d_out_stride, float* delta, int queries) {
    row_products<128>(out, out_stride, d_out, d_out_stride, delta, queries);
}

// dq = scale · sums, from the order of the product's registers to rows; a block a tile of 64 queries and head, 256 threads.
template <int D>
__device__ void finish_dq(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts, int sequences,
                          int queries, float scale) {
    Tile tile = find_tile(blockIdx.x, BM, query_starts, key_starts, sequences);
    if (tile.queries == 0) return;
    int head = blockIdx.y;
    Problem p{};
    p.queries = queries;
    p.sequences = sequences;
    const float4* from = reinterpret_cast<const float4*>(sums + tile_number(tile, tile.row / BM, head, p) * BM * D) + threadIdx.x / 128 * (D / 16) * 128;
    int thread = threadIdx.x % 128;
    int row = tile.row + thread / 32 * 16 + thread % 32 / 4;
    bf16* to = dq + (long)(tile.query_start + row) * dq_stride + head * D + threadIdx.x / 128 * (D / 2) + thread % 4 * 2;
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        float4 x = from[i * 128 + thread];
        if (row < tile.queries) *reinterpret_cast<uint32_t*>(to + i * 8) = pack(x.x * scale, x.y * scale);
        if (row + 8 < tile.queries) *reinterpret_cast<uint32_t*>(to + 8 * dq_stride + i * 8) = pack(x.z * scale, x.w * scale);
    }
}

extern "C" __global__ void attention_finish_dq_64(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts,
                                                  int sequences, int queries, float scale) {
    finish_dq<64>(sums, dq, dq_stride, query_starts, key_starts, sequences, queries, scale);
}

extern "C" __global__ void attention_finish_dq_128(const float* sums, bf16* dq, int dq_stride, const int* query_starts, const int* key_starts,
                                                   int sequences, int queries, float scale) {
    finish_dq<128>(sums, dq, dq_stride, query_starts, key_starts, sequences, queries, scale);
}
