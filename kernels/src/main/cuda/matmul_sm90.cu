// SPDX-License-Identifier: Apache-2.0
//
// c[M×N] = a[M×K] · op(b) + a2 · op(b2), 16 bits in, f32 sums, 16 bits out, for Hopper.
//
//   nt: b is [N×K] (a linear layer's forward), nn: b is [K×N] (its input gradient)
//
// The second pair is a low-rank update. It comes in up to three blocks: block i has columns from[i]…to[i] of c and `depth`
// columns of a2, beginning with i·depth. They are more steps of the same loop over K, for the tiles that they touch; what
// sticks out of a block is filled with zeros by the copy engine. A block is a stack of matrices, one for each run of rows of c:
// runs are as long as a cluster's tiles are high, or a multiple of that, and a tile finds its run's matrix by a coordinate.
//
// Operations 2·M·N·K; traffic, each tile read once a wave: (M·K + N·K + M·N)·2 bytes from L2 outwards.
//
// One block a multiprocessor, persistent. Warpgroup 0 drives the copy engine through a ring of buffers; warpgroups 1 and 2
// each sum 64 rows of a tile of 128×BN in registers. Two blocks that share their columns form a cluster: each loads half of
// b's tile and multicasts it to both. BN is 256 where there are tiles enough to fill the chip, 192 or 128 where those fill it
// better. The order of a sum is that of K, whatever the grid or BN: results are the same bits on every run.
#include "matmul_sm90.cuh"

#define MATMUL(NAME, BN, NN, CLUSTER)                                                                                 \
    extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(THREADS, 1)                          \
        NAME(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,                            \
             const __grid_constant__ CUtensorMap c, const __grid_constant__ CUtensorMap a2,                           \
             const __grid_constant__ CUtensorMap b2, const __grid_constant__ CUtensorMap b3,                          \
             const __grid_constant__ CUtensorMap b4, const __grid_constant__ Blocks blocks, int m, int n, int k) {    \
        using S = Shape<float, BN, NN, CLUSTER>;                                                                      \
        Shared<S>& s = shared_memory<S>();                                                                            \
        product(s, Maps{&a, &b, &a2, {&b2, &b3, &b4}}, blocks, m, n, k,                                               \
                [&](int consumer, const float(&sum)[BN / 2], int row, int col) {                                      \
                    _Pragma("unroll")                                                                                 \
                    for (int box = 0; box < BN / BOX; box++) {                                                        \
                        store_columns(s, &c, consumer, box, sum + box * BOX / 2, row, col);                           \
                    }                                                                                                 \
                });                                                                                                   \
    }

MATMUL(matmul_nt_128_sm90, 128, false, 2)
MATMUL(matmul_nt_192_sm90, 192, false, 2)
MATMUL(matmul_nt_256_sm90, 256, false, 2)
MATMUL(matmul_nn_128_sm90, 128, true, 2)
MATMUL(matmul_nn_192_sm90, 192, true, 1)
MATMUL(matmul_nn_256_sm90, 256, true, 2)
