// SPDX-License-Identifier: Apache-2.0
//
// The low-rank parts of layers that share an input, each with dropout of its own: see DroppedLora.java. bf16 in, f32 sums,
// sm_80 and up.
//
//   project       t = scaling · drop(x)·Aᵀ      x once in
//   gradient      dA += dtᵀ·drop(x)             x once in, parts of the sums
//   add           dx += drop(dt·A)              dx once in, once out
//
// No dropped copy of what is wide ever lies in memory: a thread's fragment of the product is masked in registers. Operations
// 2·rows·cols·modules·rank of the tensor cores, and for each 8 elements of a module one call of philox.cuh (about 40
// instructions) with 16 more to mask them: less than the memory's time for one module, more for three.
//
// The order of an operand's k, and of a result's columns, is free as long as both sides agree. So a thread takes 8 columns that
// lie side by side, which are one load and one call, where mma's own order would give it four pairs; nothing passes through
// shared memory. How the work is cut depends on the shape alone, and warps' and blocks' sums are added in a fixed order.
//
// M modules at once, S slices of 16 of the rank.
#include "mma.cuh"
#include "philox.cuh"

namespace {

using namespace mma;
using bf16 = __nv_bfloat16;

constexpr int MODULES = 3;

struct Problem {
    bf16 *wide, *narrow;  // x or dx [rows, cols], t or dt [rows, M · rank]
    const bf16* a;        // [M · rank, cols]
    float *grad_a, *parts;
    long long wide_stride, narrow_stride, a_stride, grad_a_stride;
    const uint64_t* stream_base;
    uint64_t seed;
    uint64_t module[MODULES];
    int rows, cols, rank;
    int stretch, stretches;  // of columns for project, of rows for the others: a block's share and their number
    uint32_t thresholds;
    float factor;

};

// The random streams of the modules.
template <int M>
struct Streams {
    uint64_t of[M];

    __device__ __forceinline__ explicit Streams(const Problem& p) {
        uint64_t base = *p.stream_base;
#pragma unroll
        for (int m = 0; m < M; m++) of[m] = base + p.module[m];
    }
};

__device__ __forceinline__ uint4 load_16(const bf16* from, bool inside) {
    return inside ? *reinterpret_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
}

__device__ __forceinline__ uint32_t load_4(const bf16* from, bool inside) {
    return inside ? *reinterpret_cast<const uint32_t*>(from) : 0;
}

// The calls' number: elements of eight lie in one row.
__device__ __forceinline__ uint32_t call(const Problem& p, int row, int col) {
    return static_cast<uint32_t>(row) * (p.cols / 8) + col / 8;
}

__device__ __forceinline__ uint4 masked(uint4 x, uint32_t call, uint64_t stream, const Problem& p) {
    uint4 random = philox(call, stream, p.seed);
    return make_uint4(x.x & pair_mask(random.x, p.thresholds), x.y & pair_mask(random.y, p.thresholds),
                      x.z & pair_mask(random.z, p.thresholds), x.w & pair_mask(random.w, p.thresholds));
}

// The first warp gets the sum over the warps, halves of them added to the other half until one is left.
template <int WARPS, int N>
__device__ __forceinline__ void add_warps(float (&x)[N], float* shared) {
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
    for (int half = WARPS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (warp >= half && warp < 2 * half) {
#pragma unroll
            for (int i = 0; i < N; i++) shared[((warp - half) * N + i) * 32 + lane] = x[i];
        }
        __syncthreads();
        if (warp < half) {
#pragma unroll
            for (int i = 0; i < N; i++) x[i] += shared[(warp * N + i) * 32 + lane];
        }
    }
}

// 32 rows a block; its 8 warps take 32 columns each of every 256.
template <int M, int S>
__device__ __forceinline__ void project(const Problem& p) {
    constexpr int WARPS = 8, ROWS = 32, COLS = 32;
    extern __shared__ float shared[];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    int row = blockIdx.x * ROWS + g, end = min(p.cols, (blockIdx.y + 1) * p.stretch);
    int col = blockIdx.y * p.stretch + warp * COLS + t * 8;
    Streams<M> streams(p);
    float sums[2 * M * S * 2 * 4] = {};  // [16 rows][module][slice][8 of the rank]
    uint4 next[4];
    auto fetch = [&]() {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int r = row + 8 * i;
            next[i] = load_16(p.wide + r * p.wide_stride + col, r < p.rows && col < end);
        }
    };
    fetch();
    // all lanes of a warp take part in a product, those past the end with zeros
#pragma unroll 1
    while (col - t * 8 < end) {
        uint4 x[4] = {next[0], next[1], next[2], next[3]};
        int now = col;
        col += WARPS * COLS;
        fetch();
#pragma unroll
        for (int m = 0; m < M; m++) {
            uint4 b[S * 2];
#pragma unroll
            for (int n = 0; n < S * 2; n++) {
                b[n] = load_16(p.a + (m * p.rank + n * 8 + g) * p.a_stride + now, n * 8 < p.rank && now < end);
            }
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int first = row + 16 * half;
                uint4 low = masked(x[2 * half], call(p, first, now), streams.of[m], p);
                uint4 high = masked(x[2 * half + 1], call(p, first + 8, now), streams.of[m], p);
                uint32_t even[4] = {low.x, high.x, low.y, high.y}, odd[4] = {low.z, high.z, low.w, high.w};
#pragma unroll
                for (int n = 0; n < S * 2; n++) {
                    float(&d)[4] = *reinterpret_cast<float(*)[4]>(&sums[((half * M + m) * S * 2 + n) * 4]);
                    multiply(d, even, b[n].x, b[n].y);
                    multiply(d, odd, b[n].z, b[n].w);
                }
            }
        }
    }
    add_warps<WARPS>(sums, shared);
    if (warp > 0) return;
#pragma unroll
    for (int i = 0; i < 2 * M * S * 2 * 2; i++) {
        int r = row + i % 2 * 8 + i / (2 * M * S * 2) * 16;
        int n = i / 2 % (S * 2) * 8 + t * 2, m = i / 2 / (S * 2) % M;
        if (r >= p.rows || n >= p.rank) continue;
        n += m * p.rank;
        float a = sums[2 * i], b = sums[2 * i + 1];
        if (p.stretches == 1) {
            *reinterpret_cast<uint32_t*>(p.narrow + r * p.narrow_stride + n) = pack(p.factor * a, p.factor * b);
        } else {
            long long line = static_cast<long long>(blockIdx.y) * p.rows + r;
            *reinterpret_cast<float2*>(p.parts + line * M * p.rank + n) = make_float2(a, b);
        }
    }
}

// The pairs of elements along k of two rows' words.
__device__ __forceinline__ uint32_t low_halves(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x5410); }
__device__ __forceinline__ uint32_t high_halves(uint32_t a, uint32_t b) { return __byte_perm(a, b, 0x7632); }

__device__ __forceinline__ uint32_t transposed(uint32_t x) {
    uint32_t y;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

// dt[16 rows from `row`, 16 of the rank from `n`] as it lies: rows and rank by eights, the rank's turn first.
__device__ __forceinline__ void load_dt(const Problem& p, int row, int end, int m, int n, uint32_t (&dt)[4]) {
    int lane = threadIdx.x % 32, r = row + lane / 4;
    const bf16* from = p.narrow + r * p.narrow_stride + m * p.rank + n + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        dt[i] = load_4(from + i / 2 * 8 * p.narrow_stride + i % 2 * 8, r + i / 2 * 8 < end && n + i % 2 * 8 < p.rank);
    }
}

// 64 columns a block; its 4 warps take 16 rows each of every 64. A product is [16 of the rank] × [8 columns], of which a lane's
// eight lie side by side.
template <int M, int S>
__device__ __forceinline__ void gradient(const Problem& p) {
    constexpr int WARPS = 4, ROWS = 16, COLS = 64;
    extern __shared__ float shared[];
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    int col = blockIdx.x * COLS + g * 8, start = blockIdx.y * p.stretch, end = min(p.rows, start + p.stretch);
    bool inside = col < p.cols;
    Streams<M> streams(p);
    float sums[M * S * 8 * 4] = {};  // [module][slice][8 products]
    uint4 next[4];
    auto fetch = [&](int row) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int r = row + t * 2 + i % 2 + i / 2 * 8;
            next[i] = load_16(p.wide + r * p.wide_stride + col, inside && r < end);
        }
    };
    int row = start + warp * ROWS;
    fetch(row);
#pragma unroll 1
    for (; row < end; row += WARPS * ROWS) {
        uint4 x[4] = {next[0], next[1], next[2], next[3]};
        fetch(row + WARPS * ROWS);
#pragma unroll
        for (int m = 0; m < M; m++) {
            uint32_t a[S][4];
#pragma unroll
            for (int s = 0; s < S; s++) {
                load_dt(p, row, end, m, s * 16, a[s]);
#pragma unroll
                for (int i = 0; i < 4; i++) a[s][i] = transposed(a[s][i]);
            }
            uint32_t y[4][4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int r = row + t * 2 + i % 2 + i / 2 * 8;
                uint4 v = masked(x[i], call(p, r, col), streams.of[m], p);
                y[i][0] = v.x, y[i][1] = v.y, y[i][2] = v.z, y[i][3] = v.w;
            }
#pragma unroll
            for (int j = 0; j < 8; j++) {
                uint32_t b0 = j % 2 == 0 ? low_halves(y[0][j / 2], y[1][j / 2]) : high_halves(y[0][j / 2], y[1][j / 2]);
                uint32_t b1 = j % 2 == 0 ? low_halves(y[2][j / 2], y[3][j / 2]) : high_halves(y[2][j / 2], y[3][j / 2]);
#pragma unroll
                for (int s = 0; s < S; s++) {
                    multiply(*reinterpret_cast<float(*)[4]>(&sums[((m * S + s) * 8 + j) * 4]), a[s], b0, b1);
                }
            }
        }
    }
    add_warps<WARPS>(sums, shared);
    if (warp > 0) return;
#pragma unroll
    for (int i = 0; i < M * S * 4; i++) {  // 8 columns side by side of a row of A
        int n = i / 4 % S * 16 + i % 4 / 2 * 8 + g, c = blockIdx.x * COLS + t * 16 + i % 2 * 8;
        if (n >= p.rank || c >= p.cols) continue;
        n += i / 4 / S * p.rank;
        const float* x = &sums[i / 4 * 32 + i % 4 / 2 * 2 + i % 2];
        float4 *to, low = make_float4(x[0], x[4], x[8], x[12]), high = make_float4(x[16], x[20], x[24], x[28]);
        if (p.stretches == 1) {
            to = reinterpret_cast<float4*>(p.grad_a + n * p.grad_a_stride + c);
            float4 a = to[0], b = to[1];
            float f = p.factor;
            low = make_float4(a.x + f * low.x, a.y + f * low.y, a.z + f * low.z, a.w + f * low.w);
            high = make_float4(b.x + f * high.x, b.y + f * high.y, b.z + f * high.z, b.w + f * high.w);
        } else {
            to = reinterpret_cast<float4*>(p.parts + (static_cast<long long>(blockIdx.y) * M * p.rank + n) * p.cols + c);
        }
        to[0] = low, to[1] = high;
    }
}

// A warp takes 32 columns, for which it keeps A in registers, and 16 rows after 16 rows of a stretch.
template <int M, int S>
__device__ __forceinline__ void add(const Problem& p) {
    constexpr int WARPS = 8, ROWS = 16, COLS = 32;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    int first = (blockIdx.x * WARPS + warp) * COLS, start = blockIdx.y * p.stretch, end = min(p.rows, start + p.stretch);
    Streams<M> streams(p);
    uint32_t b[M][S][4][2];
#pragma unroll
    for (int i = 0; i < M * S * 2; i++) {
        int m = i / 2 / S, n = i / 2 % S * 16 + i % 2 * 8 + t * 2, col = first + g * 4;
        const bf16* from = p.a + (m * p.rank + n) * p.a_stride + col;
        bool inside = n < p.rank && col < p.cols;
        uint2 even = inside ? *reinterpret_cast<const uint2*>(from) : make_uint2(0, 0);
        uint2 odd = inside ? *reinterpret_cast<const uint2*>(from + p.a_stride) : make_uint2(0, 0);
        uint32_t(&to)[4][2] = b[m][i / 2 % S];
        to[0][i % 2] = low_halves(even.x, odd.x), to[1][i % 2] = high_halves(even.x, odd.x);
        to[2][i % 2] = low_halves(even.y, odd.y), to[3][i % 2] = high_halves(even.y, odd.y);
    }
    int col = first + t * 8;
    bool inside = col < p.cols;
    bf16* at = p.wide + (start + g) * p.wide_stride + col;
    uint4 next[2];
    auto fetch = [&](int row) {
        next[0] = load_16(at, inside && row + g < end);
        next[1] = load_16(at + 8 * p.wide_stride, inside && row + g + 8 < end);
    };
    fetch(start);
#pragma unroll 1
    for (int row = start; row < end; row += ROWS) {
        uint4 x[2] = {next[0], next[1]};
        bf16* to = at;
        at += ROWS * p.wide_stride;
        fetch(row + ROWS);
        float sums[2][8] = {};
#pragma unroll
        for (int m = 0; m < M; m++) {
            float d[4][4] = {};
#pragma unroll
            for (int s = 0; s < S; s++) {
                uint32_t dt[4];
                load_dt(p, row, end, m, s * 16, dt);
                uint32_t a[4] = {dt[0], dt[2], dt[1], dt[3]};
#pragma unroll
                for (int j = 0; j < 4; j++) multiply(d[j], a, b[m][s][j][0], b[m][s][j][1]);
            }
#pragma unroll
            for (int half = 0; half < 2; half++) {
                uint4 random = philox(call(p, row + g + 8 * half, col), streams.of[m], p.seed);
                const uint32_t words[4] = {random.x, random.y, random.z, random.w};
#pragma unroll
                for (int i = 0; i < 4; i++) {  // columns 2i and 2i + 1: of products 2i % 4 and the next
                    uint32_t keep = kept(words[i], p.thresholds);
                    sums[half][2 * i] += keep_low(d[2 * i % 4][half * 2 + i / 2], keep);
                    sums[half][2 * i + 1] += keep_high(d[2 * i % 4 + 1][half * 2 + i / 2], keep);
                }
            }
        }
#pragma unroll
        for (int half = 0; half < 2; half++) {
            if (!inside || row + g + 8 * half >= end) continue;
            uint32_t words[4] = {x[half].x, x[half].y, x[half].z, x[half].w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float low = __uint_as_float(words[i] << 16), high = __uint_as_float(words[i] & 0xffff0000u);
                words[i] = pack(low + p.factor * sums[half][2 * i], high + p.factor * sums[half][2 * i + 1]);
            }
            *reinterpret_cast<uint4*>(to + 8 * half * p.wide_stride) = make_uint4(words[0], words[1], words[2], words[3]);
        }
    }
}

}  // namespace

// Adds the parts of t, [stretches][rows][M · rank], two elements a thread.
extern "C" __global__ void lora_dropout_finish_t(const __grid_constant__ Problem p, int width) {
    long long i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * 2, size = static_cast<long long>(p.rows) * width;
    if (i >= size) return;
    float2 sum = make_float2(0.f, 0.f);
    for (int s = 0; s < p.stretches; s++) {
        float2 x = *reinterpret_cast<const float2*>(p.parts + s * size + i);
        sum.x += x.x, sum.y += x.y;
    }
    *reinterpret_cast<uint32_t*>(p.narrow + i / width * p.narrow_stride + i % width) = pack(p.factor * sum.x, p.factor * sum.y);
}

// Adds the parts of dA, [stretches][M · rank][cols], four elements a thread.
extern "C" __global__ void lora_dropout_finish_a(const __grid_constant__ Problem p, int width) {
    long long i = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) * 4, size = static_cast<long long>(width) * p.cols;
    if (i >= size) return;
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll 4
    for (int s = 0; s < p.stretches; s++) {
        float4 x = *reinterpret_cast<const float4*>(p.parts + s * size + i);
        sum.x += x.x, sum.y += x.y, sum.z += x.z, sum.w += x.w;
    }
    float4* to = reinterpret_cast<float4*>(p.grad_a + i / p.cols * p.grad_a_stride + i % p.cols);
    float4 a = *to;
    float f = p.factor;
    *to = make_float4(a.x + f * sum.x, a.y + f * sum.y, a.z + f * sum.z, a.w + f * sum.w);
}

// Blocks on a multiprocessor as the registers of the larger ones allow.
#define KERNELS(M, S)                                                                                                           \
    extern "C" __global__ void __launch_bounds__(256, (M) * (S) <= 3 ? 2 : 1)                                                   \
        lora_dropout_project_##M##_##S(const __grid_constant__ Problem p) { project<M, S>(p); }                                 \
    extern "C" __global__ void __launch_bounds__(128, (M) * (S) <= 3 ? 3 : 2)                                                   \
        lora_dropout_gradient_##M##_##S(const __grid_constant__ Problem p) { gradient<M, S>(p); }                               \
    extern "C" __global__ void __launch_bounds__(256, 2) lora_dropout_add_##M##_##S(const __grid_constant__ Problem p) {        \
        add<M, S>(p);                                                                                                           \
    }

KERNELS(1, 1)
KERNELS(2, 1)
KERNELS(3, 1)
KERNELS(1, 2)
KERNELS(2, 2)
KERNELS(1, 4)
