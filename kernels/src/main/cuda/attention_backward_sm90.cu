// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences of different lengths, backward, 16 bits, for Hopper: see Attention.java for the contract.
//
//   P = exp(scale · QKᵀ − logSumExp)   dP = dO · Vᵀ   dS = P ∘ (dP − delta), delta = Σ dO ∘ O a row
//   dV = Pᵀ · dO    dK = scale · dSᵀ · Q    dQ = scale · dS · K
//
// Operations 10·D for each query and each key that it sees; traffic: k, v, dk, dv once, q and dO once for every 128 keys of
// a key/value head (from L2), and dQ as f32 sums in L2. Shared memory is the narrowest place: 256 KB for the operands of a step
// (64 queries × 128 keys) and 112 KB to bring them in and dQ out, 2,900 cycles beside 2,560 of the tensor cores.
//
// A block takes 128 keys of one key/value head and all query heads of its group, so dK and dV are sums in registers.
// Warpgroup 0 drives the copy engine (warp 0: loads, warp 1: sums of dQ); warpgroups 1 and 2 hold 64 keys each. The scores of
// the next step are multiplied beside this step's dK, so that the tensor cores have work while exponentials are computed.
//
// dQ gets a part from every block of keys. To be the same bits on every run the parts are added in one order, from the first
// block of keys to the last, each waiting for the one before (a counter for every 64 queries). The first block of keys has the
// most queries and is launched first, so that what is left at the end is short; and since it goes through its queries from the
// last to the first, each block finds that the one before it was there already: in a chain that starts at once, each is a
// part of a step behind, and those that start later never wait. No block waits for another that is launched after it.
#include "attention_backward_sm90.cuh"

namespace {

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
    Ring ring;
    for_each_step(range, kv_head, p.group, [&](int m, int head) {
        float lse[BM / 32], delta[BM / 32];
#pragma unroll
        for (int i = 0; i < BM / 32; i++) {
            int row = m * BM + i * 32 + lane;
            long at = (long)head * p.queries + tile.query_start + row;
            // a query beyond the end of the sequence weighs nothing
            lse[i] = row < tile.queries ? p.log_sum_exp[at] * LOG2_E : INFINITY;
            delta[i] = row < tile.queries ? p.delta[at] : 0.f;
        }
        int stage = ring.stage;
        barrier_wait(&s.empty[stage], ring.phase ^ 1);
#pragma unroll
        for (int i = 0; i < BM / 32; i++) {
            s.log_sum_exp[stage][i * 32 + lane] = lse[i];
            s.delta[stage][i * 32 + lane] = delta[i];
        }
        // each lane for what it has written itself
        if (lane > 0) {
            barrier_arrive(&s.full[stage]);
        } else {
            barrier_expect_bytes(&s.full[stage], sizeof(s.q[stage]) + sizeof(s.d_out[stage]));
            for (int box = 0; box < D / BOX; box++) {
                load_box(s.q[stage][box], q, &s.full[stage], head * D + box * BOX, tile.query_start + m * BM);
            }
            for (int box = 0; box < D / BOX; box++) {
                load_box(s.d_out[stage][box], d_out, &s.full[stage], head * D + box * BOX, tile.query_start + m * BM);
            }
        }
        ring = ring.next();
    });
}

// One thread: adds the parts of dQ to the sums in their order.
template <int D>
__device__ void sum_dq(Shared<D>& s, const Problem& p, const Tile& tile, const Range& range, int kv_head) {
    uint32_t phase = 0;
    for_each_step(range, kv_head, p.group, [&](int m, int head) {
        // the first query of a tile tells it from all others
        long row = (long)head * p.queries + tile.query_start + m * BM;
        unsigned turn = range.block - range.first_block(m), now;
        do {
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(now) : "l"(p.turns + row) : "memory");
        } while (now != turn);
        asm volatile("fence.proxy.async.global;" ::: "memory");
        barrier_wait(&s.full_dq, phase);
        phase ^= 1;
        float* sums = p.dq + row * D;
        uint32_t bytes = min(BM, tile.queries - m * BM) * D * sizeof(float);
        if (turn == 0) {
            store_bytes(sums, s.dq, bytes);
        } else {
            add_floats(sums, s.dq, bytes);
        }
        store_commit();
        store_wait_read();
        barrier_arrive(&s.empty_dq);
        store_wait();
        asm volatile("fence.proxy.async.global;" ::: "memory");
        // the last one leaves the counter as it was found
        unsigned after = range.block == range.last_block(m) ? 0 : turn + 1;
        asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p.turns + row), "r"(after) : "memory");
    });
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
    for (int i = 0; i < N; i++) to[i] = pack_narrow(from[2 * i], from[2 * i + 1]);
}

// dSᵀ as [keys][queries] in the 128-byte swizzle: a row of 64 queries is 128 bytes.
__device__ __forceinline__ void share_ds(narrow* ds, const uint32_t (&packed)[16], int consumer) {
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
__device__ void store_rows(narrow (&through)[D / BOX][BN * BOX], narrow* out, int stride, int kv_head, const Tile& tile, int consumer,
                           const float (&d)[D / 2], float scale) {
    int thread = threadIdx.x % 128, warp = thread / 32, lane = thread % 32;
    int line = warp * 16 + lane % 16;
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
        const float* x = d + j * 8;
        char* box = reinterpret_cast<char*>(through[j / 4] + consumer * 64 * BOX);
        int chunk = (j % 4 * 2 + lane / 16) ^ (line % 8);
        store_matrix_x4(box + line * 128 + chunk * 16, pack_narrow(x[0] * scale, x[1] * scale), pack_narrow(x[2] * scale, x[3] * scale),
                        pack_narrow(x[4] * scale, x[5] * scale), pack_narrow(x[6] * scale, x[7] * scale));
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

// Sᵀ = K · Qᵀ, or with v and dO dPᵀ: 64 keys of this warpgroup by the 64 queries.
template <int D>
__device__ __forceinline__ void multiply_keys(const narrow (&keys)[D / BOX][BN * BOX], const narrow (&queries)[D / BOX][BM * BOX],
                                              int consumer, float (&out)[32]) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        wgmma(out, describe(keys[k / 4] + consumer * 64 * BOX + k % 4 * 16, 1, 1024), describe(queries[k / 4] + k % 4 * 16, 1, 1024), k > 0);
    }
    wgmma_commit();
}

// dV += Pᵀ · dO, or dK += dSᵀ · Q.
template <int D>
__device__ __forceinline__ void add_product(const uint32_t (&weights)[16], const narrow (&queries)[D / BOX][BM * BOX], float (&sum)[D / 2]) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < BM / 16; k++) {
        wgmma<1>(sum, weights + k * 4, describe(queries[0] + k * 16 * BOX, BM * BOX * 2, 1024));
    }
    wgmma_commit();
}

// This warpgroup's half of the columns of dQ = dS · K, over all 128 keys.
template <int D>
__device__ __forceinline__ void multiply_ds(const narrow* ds, const narrow (&keys)[D / BOX][BN * BOX], int consumer, float (&dq)[D / 4]) {
    const narrow* half = D == 128 ? keys[consumer % (D / BOX)] : keys[0] + consumer * 32;
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < BN / 16; k++) {
        wgmma<1, 1>(dq, describe(ds + k * 16 * BM, 1, 1024), describe(half + k * 16 * BOX, BN * BOX * 2, 1024), k > 0);
    }
    wgmma_commit();
}

// This warpgroup's half of the columns of dQ, from registers to rows: see place_in_sums.
template <int D>
__device__ __forceinline__ void share_dq(float* to, const float (&dq)[D / 4], int consumer, int query_start) {
    int thread = threadIdx.x % 128, lane = thread % 32;
    int line = thread / 32 * 16 + lane / 4;
    bool odd = (query_start + line) % 2 != 0;
    float* row = to + line * D + consumer * (D / 2);
#pragma unroll
    for (int i = 0; i < D / 32; i++) {
        const float* x = dq + 8 * i;
        float* place = row + place_in_sums(i, lane % 4, odd);
        *reinterpret_cast<float4*>(place) = make_float4(x[0], x[1], x[4], x[5]);
        *reinterpret_cast<float4*>(place + 8 * D) = make_float4(x[2], x[3], x[6], x[7]);
    }
}

// dSᵀ in place of dPᵀ, from the weights.
template <bool CAP>
__device__ __forceinline__ void differentiate(const float (&st)[32], float (&dp)[32], const float (&slope)[CAP ? 32 : 1], const float* deltas) {
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        float2 delta = *reinterpret_cast<const float2*>(deltas + j * 8 + column);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float x = st[4 * j + i] * (dp[4 * j + i] - (i % 2 ? delta.y : delta.x));
            dp[4 * j + i] = CAP ? x * slope[CAP ? 4 * j + i : 0] : x;
        }
    }
}

// Scores become weights, and with a soft cap the cap's slope at each of them.
template <bool CAP>
__device__ __forceinline__ void weigh(float (&st)[32], float (&slope)[CAP ? 32 : 1], const float* log_sum_exp, const Problem& p,
                                      const Range& range, int m, int key) {
    if constexpr (CAP) {
#pragma unroll
        for (int i = 0; i < 32; i++) {
            float t = tanhf(st[i] * p.scale / p.cap);
            slope[i] = 1.f - t * t;
            st[i] = p.cap * t;
        }
    }
    float scale = CAP ? LOG2_E : p.scale * LOG2_E;
    int column = threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < 8; j++) {
        float2 lse = *reinterpret_cast<const float2*>(log_sum_exp + j * 8 + column);
#pragma unroll
        for (int i = 0; i < 4; i++) st[4 * j + i] = exp2_fast(fmaf(st[4 * j + i], scale, -(i % 2 ? lse.y : lse.x)));
    }
    mask(st, range, m, key);
}

template <int D, bool CAP>
__device__ void consume(Shared<D>& s, const Problem& p, const Tile& tile, const Range& range, int kv_head) {
    int consumer = threadIdx.x / 128 - 1;
    int thread = threadIdx.x % 128;
    int key = tile.row + consumer * 64;
    float dk[D / 2], dv[D / 2], st[32], dp[32], slope[CAP ? 32 : 1];
#pragma unroll
    for (int i = 0; i < D / 2; i++) dk[i] = dv[i] = 0.f;
    int steps = max(0, range.last - range.first + 1) * p.group;
    Ring ring;
    barrier_wait(&s.full_kv, 0);
    if (steps > 0) {
        barrier_wait(&s.full[0], 0);
        multiply_keys<D>(s.k, s.q[0], consumer, st);
        multiply_keys<D>(s.v, s.d_out[0], consumer, dp);
        wgmma_wait<0>();
        settle(st);
        settle(dp);
        weigh<CAP>(st, slope, s.log_sum_exp[0], p, range, range.last, key);
    }
    for (int step = 0; step < steps; step++) {
        int stage = ring.stage;
        uint32_t weights[16], ds[16];
        pack_all(st, weights);
        add_product<D>(weights, s.d_out[stage], dv);
        differentiate<CAP>(st, dp, slope, s.delta[stage]);
        pack_all(dp, ds);
        // two buffers: the other warpgroup may still multiply with the one before
        narrow* shared_ds = s.ds[step % 2];
        share_ds(shared_ds, ds, consumer);
        async_proxy_fence();
        named_barrier(3, 256);
        float dq[D / 4];
        multiply_ds<D>(shared_ds, s.k, consumer, dq);
        add_product<D>(ds, s.q[stage], dk);
        wgmma_wait<1>();
        settle(dv);
        settle(weights);
        settle(dq);
        barrier_wait(&s.empty_dq, (step & 1) ^ 1);
        share_dq<D>(s.dq, dq, consumer, tile.query_start);
        async_proxy_fence();
        named_barrier(1 + consumer, 128);
        if (thread == 0) barrier_arrive(&s.full_dq);
        // after the last step: its own scores once more, which nobody reads
        bool more = step + 1 < steps;
        Ring next = more ? ring.next() : ring;
        barrier_wait(&s.full[next.stage], next.phase);
        multiply_keys<D>(s.k, s.q[next.stage], consumer, st);
        wgmma_wait<1>();
        settle(dk);
        settle(ds);
        // all threads arrive, for the sake of compute-sanitizer's racecheck: one could, since the barriers above have gathered the
        // others, but it doesn't follow that and would report the reads of log_sum_exp and delta
        if (more) barrier_arrive(&s.empty[stage]);
        multiply_keys<D>(s.v, s.d_out[next.stage], consumer, dp);
        wgmma_wait<1>();
        settle(st);
        weigh<CAP>(st, slope, s.log_sum_exp[next.stage], p, range, range.last - (step + 1) / p.group, key);
        wgmma_wait<0>();
        settle(dp);
        ring = next;
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
    Tile tile = find_longest_tile<false>(blockIdx.y, BN, p.query_starts, p.key_starts, p.sequences);
    if (tile.keys == 0) return;
    if (threadIdx.x == 0) {
        barrier_init(&s.full_kv, 1);
        barrier_init(&s.full_dq, 2);
        barrier_init(&s.empty_dq, 1);
        for (int i = 0; i < STAGES; i++) {
            barrier_init(&s.full[i], 32);
            barrier_init(&s.empty[i], 256);
        }
        barrier_init_fence();
    }
    __syncthreads();
    Range range(tile, p.window);
    int kv_head = blockIdx.x;
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
             const __grid_constant__ CUtensorMap d_out, narrow* dk, narrow* dv, float* dq, unsigned* turns, const float* log_sum_exp, \
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
