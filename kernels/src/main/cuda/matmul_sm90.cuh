// SPDX-License-Identifier: Apache-2.0
// A product's loop over K for Hopper, of what matmul_sm90.cu says; what becomes of the sums is the kernel's own.
#pragma once

#include "hopper.cuh"

namespace {

using namespace hopper;

constexpr int BM = 128, BK = 64;
constexpr int BOX = 64;    // columns of a box: 128 bytes, the width of the swizzle
constexpr int GROUP = 4;   // rows of tiles that share columns of b in L2
constexpr int THREADS = 384;

// SUM: float of elements of 16 bits, int of codes of 8, which lie in pairs where those have an element.
template <class SUM, int BN_, bool NN_, int CLUSTER_>
struct Shape {
    using Sum = SUM;
    static constexpr int BN = BN_, CLUSTER = CLUSTER_;
    static constexpr bool NN = NN_;
    static constexpr int STAGES = BN == 128 ? 6 : 4;
    static constexpr int STAGE_BYTES = (BM + BN) * BK * 2;
};

template <class S>
struct __align__(1024) Shared {
    narrow a[S::STAGES][BM * BK];
    narrow b[S::STAGES][S::BN * BK];
    narrow c[2][2][64 * BOX];  // [consumer][buffer]
    uint64_t full[S::STAGES];
    uint64_t empty[S::STAGES];
};

// Tiles in the order of their numbers; a row is CLUSTER tiles high.
template <class S>
struct Tiles {
    int rows, cols, count;

    __device__ Tiles(int m, int n)
        : rows((m + S::CLUSTER * BM - 1) / (S::CLUSTER * BM)), cols((n + S::BN - 1) / S::BN), count(rows * cols) {}

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

// The low-rank blocks; see above.
struct Blocks {
    int count, depth;
    int from[3], to[3];
    int run;  // rows of c

    __device__ bool touch(int i, int n, int width) const { return from[i] < n + width && n < to[i]; }
};

// The operands, as the copy engine sees them.
struct Maps {
    const CUtensorMap *a, *b, *a2, *b2[3];

    __device__ const CUtensorMap* block(int i) const { return i == 0 ? b2[0] : i == 1 ? b2[1] : b2[2]; }
};

// Where in the ring a role is.
template <class S>
struct Turn {
    int stage = 0;
    uint32_t phase = 0;

    __device__ void next() {
        if (++stage == S::STAGES) {
            stage = 0;
            phase ^= 1;
        }
    }
};

// Columns n… of b at step k; of a stack, `item` is which matrix.
template <class S, class... Item>
__device__ __forceinline__ void load_b(Shared<S>& s, int stage, const CUtensorMap* map, int k, int n, uint32_t rank, Item... item) {
    if constexpr (S::CLUSTER == 1) {
        if constexpr (S::NN) {
            for (int box = 0; box < S::BN / BOX; box++) {
                load_box(s.b[stage] + box * BK * BOX, map, &s.full[stage], n + box * BOX, k, item...);
            }
        } else {
            load_box(s.b[stage], map, &s.full[stage], k, n, item...);
        }
    } else if constexpr (S::NN) {
        // this block's half of the tile, to both blocks
        constexpr int BOXES = S::BN / BOX / S::CLUSTER;
        for (int box = rank * BOXES; box < (rank + 1) * BOXES; box++) {
            load_box_multicast(s.b[stage] + box * BK * BOX, map, &s.full[stage], n + box * BOX, k, item..., (1 << S::CLUSTER) - 1);
        }
    } else {
        int at = rank * (S::BN / S::CLUSTER);
        load_box_multicast(s.b[stage] + at * BK, map, &s.full[stage], k, n + at, item..., (1 << S::CLUSTER) - 1);
    }
}

template <class S>
__device__ void produce(Shared<S>& s, const Maps& maps, const Blocks& blocks, const Tiles<S>& tiles, int steps, uint32_t rank) {
    Turn<S> turn;
    auto load = [&](const CUtensorMap* a, const CUtensorMap* b, int a_k, int b_k, int m, int n, auto... item) {
        barrier_wait(&s.empty[turn.stage], turn.phase ^ 1);
        barrier_expect_bytes(&s.full[turn.stage], S::STAGE_BYTES);
        load_box(s.a[turn.stage], a, &s.full[turn.stage], a_k, m);
        load_b<S>(s, turn.stage, b, b_k, n, rank, item...);
        turn.next();
    };
    for (int tile = blockIdx.x / S::CLUSTER; tile < tiles.count; tile += gridDim.x / S::CLUSTER) {
        int row, col;
        tiles.at(tile, row, col);
        int m = (row * S::CLUSTER + rank) * BM, n = col * S::BN;
        for (int step = 0; step < steps; step++) load(maps.a, maps.b, step * BK, step * BK, m, n);
        for (int i = 0; i < blocks.count; i++) {
            if (!blocks.touch(i, n, S::BN)) continue;
            for (int k = 0; k < blocks.depth; k += BK) {
                load(maps.a2, maps.block(i), i * blocks.depth + k, k, m, n - blocks.from[i], m / blocks.run);
            }
        }
    }
}

template <class S>
__device__ __forceinline__ void multiply_slice(Shared<S>& s, int stage, int k, int accumulate, int consumer, typename S::Sum (&sum)[S::BN / 2]) {
    uint64_t a = describe(s.a[stage] + consumer * 64 * BK + k * 16, 1, 1024);
    uint64_t b = S::NN ? describe(s.b[stage] + k * 16 * BOX, BK * BOX * 2, 1024) : describe(s.b[stage] + k * 16, 1, 1024);
    wgmma<0, S::NN>(sum, a, b, accumulate);
}

// Box `box` of a tile, 64 columns, through one of two buffers, in the swizzle that the copy engine undoes.
template <class S>
__device__ __forceinline__ void store_columns(Shared<S>& s, const CUtensorMap* c, int consumer, int box, const float* sum, int m, int n) {
    int thread = threadIdx.x % 128;
    int warp = thread / 32, lane = thread % 32;
    int line = warp * 16 + lane % 16;
    narrow* buffer = s.c[consumer][box % 2];
    if (thread == 0) store_wait_read<1>();
    named_barrier(1 + consumer, 128);
#pragma unroll
    for (int j = 0; j < 4; j++) {
        const float* v = sum + j * 8;
        int chunk = (j * 2 + lane / 16) ^ (line % 8);
        store_matrix_x4(reinterpret_cast<char*>(buffer) + line * 128 + chunk * 16, pack_narrow(v[0], v[1]), pack_narrow(v[2], v[3]),
                        pack_narrow(v[4], v[5]), pack_narrow(v[6], v[7]));
    }
    async_proxy_fence();
    named_barrier(1 + consumer, 128);
    if (thread == 0) {
        store_box(c, buffer, n + box * BOX, m + consumer * 64);
        store_commit();
    }
}

template <class S>
__device__ __forceinline__ void release(Shared<S>& s, int stage) {
    // one lane for each block of the cluster: both write into this stage of both
    if (threadIdx.x % 128 < S::CLUSTER) barrier_arrive_at(&s.empty[stage], threadIdx.x % 128);
}

// Calls finish(consumer, sum, first row, first column) of each tile's half.
template <class S, class Finish>
__device__ void consume(Shared<S>& s, const Blocks& blocks, const Tiles<S>& tiles, int steps, uint32_t rank, Finish finish) {
    int consumer = threadIdx.x / 128 - 1;
    Turn<S> turn;
    for (int tile = blockIdx.x / S::CLUSTER; tile < tiles.count; tile += gridDim.x / S::CLUSTER) {
        int row, col;
        tiles.at(tile, row, col);
        typename S::Sum sum[S::BN / 2];
        int previous = 0;
        for (int step = 0; step < steps; step++) {
            barrier_wait(&s.full[turn.stage], turn.phase);
            wgmma_fence();
#pragma unroll
            for (int k = 0; k < BK / 16; k++) multiply_slice<S>(s, turn.stage, k, step > 0 || k > 0, consumer, sum);
            wgmma_commit();
            if (step > 0) {
                wgmma_wait<1>();
                release<S>(s, previous);
            }
            previous = turn.stage;
            turn.next();
        }
        for (int i = 0; i < blocks.count; i++) {
            if (!blocks.touch(i, col * S::BN, S::BN)) continue;
            for (int k = 0; k < blocks.depth; k += BK) {
                int slices = min(BK, blocks.depth - k + 15) / 16;
                barrier_wait(&s.full[turn.stage], turn.phase);
#pragma unroll
                for (int slice = 0; slice < BK / 16; slice++) {
                    if (slice < slices) {
                        wgmma_fence();
                        multiply_slice<S>(s, turn.stage, slice, 1, consumer, sum);
                    }
                }
                wgmma_commit();
                wgmma_wait<1>();
                release<S>(s, previous);
                previous = turn.stage;
                turn.next();
            }
        }
        wgmma_wait<0>();
        settle(sum);
        release<S>(s, previous);
        finish(consumer, sum, (row * S::CLUSTER + rank) * BM, col * S::BN);
    }
    if (threadIdx.x % 128 == 0) store_wait();
}

template <class S>
__device__ __forceinline__ Shared<S>& shared_memory() {
    extern __shared__ __align__(1024) uint8_t memory[];
    return *reinterpret_cast<Shared<S>*>(memory);
}

template <class S, class Finish>
__device__ __forceinline__ void product(Shared<S>& s, const Maps& maps, const Blocks& blocks, int m, int n, int k, Finish finish) {
    uint32_t rank = S::CLUSTER == 1 ? 0 : cluster_rank();
    if (threadIdx.x == 0) {
        for (int i = 0; i < S::STAGES; i++) {
            barrier_init(&s.full[i], 1);
            barrier_init(&s.empty[i], 2 * S::CLUSTER);
        }
        barrier_init_fence();
    }
    cluster_sync();
    Tiles<S> tiles(m, n);
    int steps = (k + BK - 1) / BK;
    if (threadIdx.x < 128) {
        give_registers<56>();
        if (threadIdx.x == 0) produce<S>(s, maps, blocks, tiles, steps, rank);
    } else {
        take_registers<224>();
        consume<S>(s, blocks, tiles, steps, rank, finish);
    }
    // a block's shared memory must outlive what the other one sends to it
    cluster_sync();
}

}  // namespace
