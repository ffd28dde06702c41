// SPDX-License-Identifier: Apache-2.0
//
// c[M×N] = a[M×K] · op(b) + a2[M×K2] · op(b2), bf16 in, f32 sums, bf16 out, for Hopper.
//
//   nt: b is [N×K] (a linear layer's forward), nn: b is [K×N] (its input gradient); b2 likewise.
//   The second pair is the low-rank part of a LoRA layer: a few more steps of the same sum, instead of a pass over c.
//
// Operations 2·M·N·(K + K2); traffic, each tile read once a wave: (M·K + N·K + M·N)·2 bytes from L2 outwards.
//
// One block a multiprocessor, persistent. Warpgroup 0 drives the copy engine through a ring of STAGES buffers; warpgroups 1
// and 2 each sum 64×256 of a 128×256 tile in registers. Two blocks that share their columns form a cluster: each loads half
// of b's tile and multicasts it to both. The order of a sum is that of K, whatever the grid: results are the same bits on
// every run.
#include "hopper.cuh"

namespace {

using namespace hopper;
using bf16 = __nv_bfloat16;

constexpr int BM = 128, BN = 256, BK = 64;
constexpr int STAGES = 4;
constexpr int CLUSTER = 2;
constexpr int BOX = 64;             // columns of a box: 128 bytes, the width of the swizzle
constexpr int GROUP = 8;            // cluster rows that share columns of b in L2
constexpr int THREADS = 384;

constexpr int A_BYTES = BM * BK * 2;
constexpr int B_BYTES = BN * BK * 2;
constexpr int STAGE_BYTES = A_BYTES + B_BYTES;

struct __align__(1024) Shared {
    bf16 a[STAGES][BM * BK];
    bf16 b[STAGES][BN * BK];
    bf16 c[2][2][64 * BOX];         // [consumer][box]
    uint64_t full[STAGES];
    uint64_t empty[STAGES];
};

struct Tiles {
    int rows, cols, count;          // in units of cluster tiles: CLUSTER·BM × BN

    __device__ Tiles(int m, int n)
        : rows((m + CLUSTER * BM - 1) / (CLUSTER * BM)), cols((n + BN - 1) / BN), count(rows * cols) {}

    // Groups of GROUP rows, columns within a group one after another: what a wave reads stays in L2.
    __device__ void at(int index, int& row, int& col) const {
        int per_group = GROUP * cols;
        int group = index / per_group;
        int first = group * GROUP;
        int height = min(rows - first, GROUP);
        int within = index - group * per_group;
        row = first + within % height;
        col = within / height;
    }
};

template <bool NN>
__device__ __forceinline__ void load_b(Shared& s, int stage, const CUtensorMap* map, int k, int col, uint32_t rank) {
    // this block's half of the tile, to both blocks
    if constexpr (NN) {
        for (int box = 0; box < BN / BOX / CLUSTER; box++) {
            int at = rank * (BN / BOX / CLUSTER) + box;
            load_box_multicast(s.b[stage] + at * BK * BOX, map, &s.full[stage], col * BN + at * BOX, k, (1 << CLUSTER) - 1);
        }
    } else {
        int at = rank * (BN / CLUSTER);
        load_box_multicast(s.b[stage] + at * BK, map, &s.full[stage], k, col * BN + at, (1 << CLUSTER) - 1);
    }
}

template <bool NN>
__device__ void produce(Shared& s, const CUtensorMap* a, const CUtensorMap* b, const CUtensorMap* a2, const CUtensorMap* b2,
                        const Tiles& tiles, int steps, int steps2, uint32_t rank) {
    int stage = 0;
    uint32_t phase = 0;
    for (int tile = blockIdx.x / CLUSTER; tile < tiles.count; tile += gridDim.x / CLUSTER) {
        int row, col;
        tiles.at(tile, row, col);
        int m = (row * CLUSTER + rank) * BM;
        for (int step = 0; step < steps + steps2; step++) {
            barrier_wait(&s.empty[stage], phase ^ 1);
            barrier_expect_bytes(&s.full[stage], STAGE_BYTES);
            bool low_rank = step >= steps;
            int k = (low_rank ? step - steps : step) * BK;
            load_box(s.a[stage], low_rank ? a2 : a, &s.full[stage], k, m);
            load_b<NN>(s, stage, low_rank ? b2 : b, k, col, rank);
            if (++stage == STAGES) {
                stage = 0;
                phase ^= 1;
            }
        }
    }
}

template <bool NN>
__device__ __forceinline__ void multiply_stage(Shared& s, int stage, int step, int consumer, float (&sum)[128]) {
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < BK / 16; k++) {
        uint64_t a = describe(s.a[stage] + consumer * 64 * BK + k * 16, 1, 1024);
        uint64_t b = NN ? describe(s.b[stage] + k * 16 * BOX, BK * BOX * 2, 1024) : describe(s.b[stage] + k * 16, 1, 1024);
        wgmma<0, NN>(sum, a, b, step > 0 || k > 0);
    }
    wgmma_commit();
}

// Two boxes at a time through shared memory, in the swizzle that the copy engine undoes.
__device__ __forceinline__ void store_tile(Shared& s, const CUtensorMap* c, int consumer, const float (&sum)[128], int m, int n) {
    int thread = threadIdx.x % 128;
    int warp = thread / 32, lane = thread % 32;
    int line = warp * 16 + lane % 16;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        if (thread == 0) store_wait_read();
        named_barrier(1 + consumer, 128);
#pragma unroll
        for (int box = 0; box < 2; box++) {
            char* tile = reinterpret_cast<char*>(s.c[consumer][box]);
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const float* v = sum + ((half * 2 + box) * 4 + j) * 8;
                int chunk = (j * 2 + lane / 16) ^ (line % 8);
                store_matrix_x4(tile + line * 128 + chunk * 16, pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7]));
            }
        }
        async_proxy_fence();
        named_barrier(1 + consumer, 128);
        if (thread == 0) {
            for (int box = 0; box < 2; box++) {
                store_box(c, s.c[consumer][box], n + (half * 2 + box) * BOX, m + consumer * 64);
            }
            store_commit();
        }
    }
}

__device__ __forceinline__ void release(Shared& s, int stage) {
    // one lane for each block of the cluster: both may have written into this stage
    if (threadIdx.x % 128 < CLUSTER) barrier_arrive_at(&s.empty[stage], threadIdx.x % 128);
}

template <bool NN>
__device__ void consume(Shared& s, const CUtensorMap* c, const Tiles& tiles, int steps, uint32_t rank) {
    int consumer = threadIdx.x / 128 - 1;
    int stage = 0;
    uint32_t phase = 0;
    for (int tile = blockIdx.x / CLUSTER; tile < tiles.count; tile += gridDim.x / CLUSTER) {
        int row, col;
        tiles.at(tile, row, col);
        float sum[128];
        int previous = 0;
        for (int step = 0; step < steps; step++) {
            barrier_wait(&s.full[stage], phase);
            multiply_stage<NN>(s, stage, step, consumer, sum);
            if (step > 0) {
                wgmma_wait<1>();
                release(s, previous);
            }
            previous = stage;
            if (++stage == STAGES) {
                stage = 0;
                phase ^= 1;
            }
        }
        wgmma_wait<0>();
        settle(sum);
        release(s, previous);
        store_tile(s, c, consumer, sum, (row * CLUSTER + rank) * BM, col * BN);
    }
    if (threadIdx.x % 128 == 0) store_wait();
}

template <bool NN>
__device__ __forceinline__ void matmul(const CUtensorMap* a, const CUtensorMap* b, const CUtensorMap* c, const CUtensorMap* a2,
                                       const CUtensorMap* b2, int m, int n, int k, int k2) {
    extern __shared__ __align__(1024) uint8_t memory[];
    Shared& s = *reinterpret_cast<Shared*>(memory);
    uint32_t rank = cluster_rank();
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            barrier_init(&s.full[i], 1);
            barrier_init(&s.empty[i], 2 * CLUSTER);
        }
        barrier_init_fence();
    }
    cluster_sync();
    Tiles tiles(m, n);
    int steps = (k + BK - 1) / BK, steps2 = (k2 + BK - 1) / BK;
    if (threadIdx.x < 128) {
        give_registers<40>();
        if (threadIdx.x == 0) produce<NN>(s, a, b, a2, b2, tiles, steps, steps2, rank);
    } else {
        take_registers<232>();
        consume<NN>(s, c, tiles, steps + steps2, rank);
    }
    // a block's shared memory must outlive what the other one sends to it
    cluster_sync();
}

}  // namespace

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
    matmul_nt_sm90(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b, const __grid_constant__ CUtensorMap c,
                   const __grid_constant__ CUtensorMap a2, const __grid_constant__ CUtensorMap b2, int m, int n, int k, int k2) {
    matmul<false>(&a, &b, &c, &a2, &b2, m, n, k, k2);
}

extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)
    matmul_nn_sm90(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b, const __grid_constant__ CUtensorMap c,
                   const __grid_constant__ CUtensorMap a2, const __grid_constant__ CUtensorMap b2, int m, int n, int k, int k2) {
    matmul<true>(&a, &b, &c, &a2, &b2, m, n, k, k2);
}
