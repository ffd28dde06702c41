// SPDX-License-Identifier: Apache-2.0
//
// c = alpha · op(a) · op(b) + beta · c, 16 bits in, f32 sums, f32 or the same 16 bits out, any shape, for sm_80 and up: see Matmul.java.
//
// Operations 2·M·N·K; traffic (M·K·⌈N/BN⌉ + N·K·⌈M/BM⌉ + M·N)·2 bytes from L2 outwards. Each operand comes as it lies: tiles of
// a transposed one are turned by ldmatrix on the way to the registers. A ring of STAGES tiles hides memory.
//
// Tiles are 128×128 for whole layers. The products of an adapter are thin (16 to 64 rows or columns) and take their time from
// reading the other operand once: they get thin tiles, and K is split over blocks so that the whole chip reads. The parts of a
// split go to a buffer in f32 and a second kernel adds them in order. The split is a function of the shape alone, so the same
// product gives the same bits on every run.
//
// Products of one shape whose operands lie at fixed distances are one launch, blocks of a number of the grid's z each. Tiles are
// chosen for all of them together, which changes no bit: k is added up in steps of 16 in any tile. The split is that of one.
#include "mma.cuh"

namespace {

using namespace mma;

struct Problem {
    const narrow *a, *b;
    void* c;
    float* parts;  // [splits][m][n], or null
    long long a_stride, b_stride, c_stride;
    int m, n, k;
    int depth;     // of a split: a multiple of the tile's
    int c_is_narrow, a_aligned, b_aligned;
    float alpha, beta;
    int splits;                   // blocks in z of one product
    long long a_step, b_step, c_step;  // from one product's operands to the next one's

    __device__ __forceinline__ void* result(int product) const {
        return static_cast<char*>(c) + product * c_step * (c_is_narrow ? 2 : 4);
    }
};

template <int BM_, int BN_, int BK_, int WARPS_M_, int WARPS_N_, int STAGES_, bool TA_, bool TB_, bool MANY_>
struct Shape {
    static constexpr int BM = BM_, BN = BN_, BK = BK_, WARPS_M = WARPS_M_, WARPS_N = WARPS_N_, STAGES = STAGES_;
    static constexpr bool TA = TA_, TB = TB_;
    static constexpr bool MANY = MANY_;  // products: places that follow from a block's number cost registers
    static constexpr int THREADS = 32 * WARPS_M * WARPS_N;
    static constexpr int WM = BM / WARPS_M, WN = BN / WARPS_N;  // of a warp
    static constexpr int FM = WM / 16, FN = WN / 8;             // fragments of a warp
    // as it lies: rows of a are along m, or along k if it is transposed
    using TileA = Tile<TA ? BK : BM, TA ? BM : BK>;
    using TileB = Tile<TB ? BN : BK, TB ? BK : BN>;
    static constexpr int STAGE_BYTES = TileA::BYTES + TileB::BYTES;
    static_assert(FN % 2 == 0 && WM % 16 == 0);
};

template <typename S>
struct Operands {
    Loader<typename S::TileA, S::THREADS, S::TA> a;
    Loader<typename S::TileB, S::THREADS, !S::TB> b;

    __device__ __forceinline__ Operands(const Problem& p, int product, int row, int col)
        : a(S::MANY ? p.a + product * p.a_step : p.a, p.a_stride, row, p.m, p.a_aligned),
          b(S::MANY ? p.b + product * p.b_step : p.b, p.b_stride, col, p.n, p.b_aligned) {}

    __device__ __forceinline__ void fetch(uint8_t* stage, int k, int end) const {
        a.fetch(stage, k, end);
        b.fetch(stage + S::TileA::BYTES, k, end);
    }
};

template <typename S>
__device__ __forceinline__ void multiply_stage(const uint8_t* stage, int warp_row, int warp_col, float (&sum)[S::FM][S::FN][4]) {
    uint32_t a_tile = shared_address(stage), b_tile = a_tile + S::TileA::BYTES;
    int lane = threadIdx.x % 32;
    int low = lane % 16, high = lane / 16 * 8;             // rows 0–15, and the half of 8 columns
    int inner = lane % 8 + lane / 16 * 8, outer = lane / 8 % 2 * 8;
#pragma unroll
    for (int k = 0; k < S::BK; k += 16) {
        uint32_t a[S::FM][4], b[S::FN / 2][4];
#pragma unroll
        for (int i = 0; i < S::FM; i++) {
            int row = warp_row + i * 16;
            if constexpr (S::TA) {
                load_matrices_transposed(a[i], a_tile + S::TileA::offset(k + inner, row + outer));
            } else {
                load_matrices(a[i], a_tile + S::TileA::offset(row + low, k + high));
            }
        }
#pragma unroll
        for (int j = 0; j < S::FN / 2; j++) {
            int col = warp_col + j * 16;
            if constexpr (S::TB) {
                load_matrices(b[j], b_tile + S::TileB::offset(col + inner, k + outer));
            } else {
                load_matrices_transposed(b[j], b_tile + S::TileB::offset(k + low, col + high));
            }
        }
#pragma unroll
        for (int i = 0; i < S::FM; i++) {
#pragma unroll
            for (int j = 0; j < S::FN; j++) multiply(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }
}

__device__ __forceinline__ void write(const Problem& p, void* result, int row, int col, float value) {
    long long at = row * p.c_stride + col;
    if (p.c_is_narrow) {
        narrow* c = static_cast<narrow*>(result);
        c[at] = round_narrow(p.alpha * value + (p.beta == 0.f ? 0.f : p.beta * widen_narrow(c[at])));
    } else {
        float* c = static_cast<float*>(result);
        c[at] = p.alpha * value + (p.beta == 0.f ? 0.f : p.beta * c[at]);
    }
}

// Eight neighbours, in 16-byte accesses where the row lets them be.
__device__ __forceinline__ void write_8(const Problem& p, void* c, int row, int col, const float (&x)[8]) {
    bool wide = col + 8 <= p.n && p.c_stride % 8 == 0 && reinterpret_cast<uintptr_t>(c) % 16 == 0;
    if (p.parts == nullptr && p.c_is_narrow && wide) {
        uint4* to = reinterpret_cast<uint4*>(static_cast<narrow*>(c) + row * p.c_stride + col);
        uint4 raw = p.beta == 0.f ? make_uint4(0, 0, 0, 0) : *to;
        uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float low = p.beta == 0.f ? 0.f : p.beta * low_narrow(words[i]);
            float high = p.beta == 0.f ? 0.f : p.beta * high_narrow(words[i]);
            words[i] = pack(p.alpha * x[2 * i] + low, p.alpha * x[2 * i + 1] + high);
        }
        *to = make_uint4(words[0], words[1], words[2], words[3]);
    } else if (p.parts == nullptr && !p.c_is_narrow && wide) {
        float4* to = reinterpret_cast<float4*>(static_cast<float*>(c) + row * p.c_stride + col);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float4 old = p.beta == 0.f ? make_float4(0.f, 0.f, 0.f, 0.f) : to[i];
            to[i] = make_float4(p.alpha * x[4 * i] + p.beta * old.x, p.alpha * x[4 * i + 1] + p.beta * old.y,
                                p.alpha * x[4 * i + 2] + p.beta * old.z, p.alpha * x[4 * i + 3] + p.beta * old.w);
        }
    } else if (p.parts != nullptr && p.n % 4 == 0 && col + 8 <= p.n) {
        float4* to = reinterpret_cast<float4*>(p.parts + (static_cast<long long>(blockIdx.z) * p.m + row) * p.n + col);
        to[0] = make_float4(x[0], x[1], x[2], x[3]);
        to[1] = make_float4(x[4], x[5], x[6], x[7]);
    } else {
#pragma unroll
        for (int i = 0; i < 8; i++) {
            if (col + i >= p.n) break;
            if (p.parts != nullptr) {
                p.parts[(static_cast<long long>(blockIdx.z) * p.m + row) * p.n + col + i] = x[i];
            } else {
                write(p, c, row, col + i, x[i]);
            }
        }
    }
}

// The tile through shared memory, where the ring was, so that memory sees whole rows. Columns are permuted by eights, for
// the banks.
template <typename S>
__device__ __forceinline__ void store(const Problem& p, uint8_t* memory, const float (&sum)[S::FM][S::FN][4], int row, int col,
                                      int warp_row, int warp_col) {
    static_assert(S::BM * S::BN * 4 <= S::STAGES * S::STAGE_BYTES);
    float* tile = reinterpret_cast<float*>(memory);
    auto at = [](int r, int c) { return r * S::BN + (c ^ r % 4 * 8); };
    wait<0>();
    __syncthreads();
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < S::FM; i++) {
#pragma unroll
        for (int j = 0; j < S::FN; j++) {
            int r = warp_row + i * 16 + lane / 4, c = warp_col + j * 8 + lane % 4 * 2;
            *reinterpret_cast<float2*>(tile + at(r, c)) = make_float2(sum[i][j][0], sum[i][j][1]);
            *reinterpret_cast<float2*>(tile + at(r + 8, c)) = make_float2(sum[i][j][2], sum[i][j][3]);
        }
    }
    __syncthreads();
    void* c = S::MANY ? p.result(blockIdx.z / p.splits) : p.c;
#pragma unroll 4
    for (int i = threadIdx.x; i < S::BM * S::BN / 8; i += S::THREADS) {
        int r = i / (S::BN / 8), n = i % (S::BN / 8) * 8;
        if (row + r >= p.m || col + n >= p.n) continue;
        const float4* from = reinterpret_cast<const float4*>(tile + at(r, n));
        float4 a = from[0], b = from[1];
        const float x[8] = {a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w};
        write_8(p, c, row + r, col + n, x);
    }
}

template <typename S>
__device__ __forceinline__ void matmul(const Problem& p) {
    extern __shared__ __align__(128) uint8_t memory[];
    int row = blockIdx.y * S::BM, col = blockIdx.x * S::BN;
    int split = S::MANY ? blockIdx.z % p.splits : blockIdx.z;
    int start = split * p.depth, end = min(p.k, start + p.depth);
    int steps = (end - start + S::BK - 1) / S::BK;
    int warp = threadIdx.x / 32;
    int warp_row = warp % S::WARPS_M * S::WM, warp_col = warp / S::WARPS_M * S::WN;
    float sum[S::FM][S::FN][4] = {};
    Operands<S> operands(p, S::MANY ? blockIdx.z / p.splits : 0, row, col);
    for (int step = 0; step < S::STAGES - 1; step++) {
        if (step < steps) operands.fetch(memory + step * S::STAGE_BYTES, start + step * S::BK, end);
        commit();
    }
    for (int step = 0; step < steps; step++) {
        wait<S::STAGES - 2>();
        __syncthreads();
        int ahead = step + S::STAGES - 1;
        if (ahead < steps) operands.fetch(memory + ahead % S::STAGES * S::STAGE_BYTES, start + ahead * S::BK, end);
        commit();
        multiply_stage<S>(memory + step % S::STAGES * S::STAGE_BYTES, warp_row, warp_col, sum);
    }
    store<S>(p, memory, sum, row, col, warp_row, warp_col);
}

}  // namespace

#define MATMUL(NAME, BM, BN, BK, WM, WN, STAGES, TA, TB, MANY)                                               \
    extern "C" __global__ void __launch_bounds__(32 * WM * WN) NAME(const __grid_constant__ Problem p) {     \
        matmul<Shape<BM, BN, BK, WM, WN, STAGES, TA, TB, MANY>>(p);                                          \
    }

// n: as it lies, t: transposed, for a and b; thin ones are one or many
MATMUL(matmul_nn_128_128, 128, 128, 32, 2, 2, 4, false, false, false)
MATMUL(matmul_nn_128_128_many, 128, 128, 32, 2, 2, 4, false, false, true)
MATMUL(matmul_nt_128_128, 128, 128, 32, 2, 2, 4, false, true, false)
MATMUL(matmul_nt_128_128_many, 128, 128, 32, 2, 2, 4, false, true, true)
MATMUL(matmul_tn_128_128, 128, 128, 32, 2, 2, 4, true, false, false)
MATMUL(matmul_tn_128_128_many, 128, 128, 32, 2, 2, 4, true, false, true)
MATMUL(matmul_tt_128_128, 128, 128, 32, 2, 2, 4, true, true, false)
MATMUL(matmul_tt_128_128_many, 128, 128, 32, 2, 2, 4, true, true, true)
MATMUL(matmul_nn_64_64, 64, 64, 64, 2, 2, 4, false, false, true)
MATMUL(matmul_nt_64_64, 64, 64, 64, 2, 2, 4, false, true, true)
MATMUL(matmul_tn_64_64, 64, 64, 64, 2, 2, 4, true, false, true)
MATMUL(matmul_tt_64_64, 64, 64, 64, 2, 2, 4, true, true, true)
MATMUL(matmul_nt_128_64, 128, 64, 64, 4, 1, 4, false, true, true)
MATMUL(matmul_tn_64_128, 64, 128, 64, 1, 4, 4, true, false, true)
MATMUL(matmul_nn_128_32, 128, 32, 64, 4, 1, 4, false, false, true)
MATMUL(matmul_nt_128_32, 128, 32, 64, 4, 1, 4, false, true, true)
MATMUL(matmul_tn_128_32, 128, 32, 64, 4, 1, 4, true, false, true)
MATMUL(matmul_tn_32_128, 32, 128, 64, 1, 4, 4, true, false, true)

// c = alpha · Σ parts + beta · c, the parts in order; a thread an element, a product a number of the grid's y.
extern "C" __global__ void matmul_add_parts(const __grid_constant__ Problem p) {
    long long size = static_cast<long long>(p.m) * p.n;
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float sum = 0.f;
#pragma unroll 4
    for (int s = 0; s < p.splits; s++) sum += p.parts[(blockIdx.y * p.splits + s) * size + i];
    write(p, p.result(blockIdx.y), static_cast<int>(i / p.n), static_cast<int>(i % p.n), sum);
}
