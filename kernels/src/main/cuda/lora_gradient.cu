// SPDX-License-Identifier: Apache-2.0
//
// dt = scaling · dy·B and dB += dyᵀ·t of low-rank updates: see LoraLinear.java. 16 bits in, f32 sums, sm_80 and up.
//
// Operations 4·rows·out·rank; traffic: dy once, which both products read, and parts of both sums, 4·rank / COLS of dy's bytes
// for dt and 4·rank / (rows of a block) for dB, twice each, mostly in L2.
//
// A block takes COLS columns of one layer, a stretch of rows and R of the rank (blocks that differ in that alone run side by
// side and find dy in L2). Each of its warps takes 64 of the columns, which it copies for itself and multiplies both ways as they
// lie: by B, which it keeps in registers, into dt of these rows, and turned by t into dB of these columns, which stays in registers
// to the end. The warps' shares of dt are added up in shared memory in the order of the warps; a second kernel adds the blocks' in
// their order, so the bits depend on the shapes and the chip alone.
//
// Rows may be runs of equal length, each with a B and a dB of its own at fixed distances; a stretch of rows is one run's then.
#include "mma.cuh"

namespace {

using namespace mma;

constexpr int WARPS = 8, THREADS = 32 * WARPS;
constexpr int WARP_COLS = 64, COLS = WARPS * WARP_COLS;
constexpr int ROWS = 16;  // of a step
constexpr int R = 16;     // of the rank, a block's share
constexpr int STAGES = 4;
constexpr int LAYERS = 3;

struct Problem {
    const narrow *dy, *t;
    narrow* dt;
    long long dy_stride, t_stride, dt_stride;
    float *dt_parts, *db_parts;  // [slices][groups of columns][rows][R], [stretches of rows][slices][groups · COLS][R]
    const narrow* b[LAYERS];
    float* grad_b[LAYERS];
    long long b_stride[LAYERS], grad_b_stride[LAYERS];
    int from[LAYERS], size[LAYERS];  // a layer's columns of dy
    int first[LAYERS + 1];           // its first group of columns; the last: their number
    int layers, rows, rank, stretch, stretches;  // rows of all runs; a run's stretches
    float scaling;
    int run;                                        // rows of one
    long long b_step[LAYERS], grad_b_step[LAYERS];  // from one run's to the next one's

    __device__ int groups() const { return first[layers]; }
    __device__ int slices() const { return (rank + R - 1) / R; }
    __device__ int layer(int group) const { return group >= first[2] && layers > 2 ? 2 : group >= first[1] && layers > 1 ? 1 : 0; }
};

struct __align__(128) Shared {
    using Slab = Tile<ROWS, WARP_COLS>;
    static constexpr int LINE = R + 8;  // of a partial dt: rows begin in different banks
    uint8_t dy[STAGES][WARPS][Slab::BYTES];
    narrow t[STAGES][ROWS * R];
    float dt[2][WARPS][ROWS * LINE];
};

// B of a warp's columns as the second operand of four products: element (k, n) is B[column + k][n].
__device__ __forceinline__ void load_b(const Problem& p, int run, int layer, int col, int slice, uint32_t (&b)[4][R / 8][2]) {
    int lane = threadIdx.x % 32;
    const narrow* matrix = p.b[layer] + run * p.b_step[layer];
    auto at = [&](int k, int n) {
        int row = col + k;
        n += slice * R;
        return row < p.size[layer] && n < p.rank ? matrix[row * p.b_stride[layer] + n] : round_narrow(0.f);
    };
#pragma unroll
    for (int s = 0; s < 4; s++) {
#pragma unroll
        for (int j = 0; j < R / 8; j++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int k = s * 16 + half * 8 + lane % 4 * 2, n = j * 8 + lane / 4;
                struct __align__(4) {
                    narrow low, high;
                } pair{at(k, n), at(k + 1, n)};
                b[s][j][half] = *reinterpret_cast<uint32_t*>(&pair);
            }
        }
    }
}

// What a thread copies and adds up lies at the same places of every step: they are found once.
struct Walk {
    using Slab = Shared::Slab;
    static constexpr int PIECES = R / 8;  // of a row of t
    static_assert(ROWS == 16 && ROWS * R == THREADS);

    const narrow *dy, *t;  // of the next step to fetch
    float* dt_part;      // of the next step to add up
    long long dy_step, t_step;
    int row, t_row, sum_row;  // first of the thread's in a step, from the block's first
    int rows;                 // of the block
    uint32_t even, odd;       // where the thread's first and second row of dy go in a slab
    bool columns, has_t;

    __device__ __forceinline__ Walk(const Problem& p, int group, int slice, int layer, int col, int start, int rows)
        : rows(rows) {
        int lane = threadIdx.x % 32, c = lane % 8 * 8;
        row = lane / 8;
        columns = col + c < p.size[layer];
        dy = p.dy + (start + row) * p.dy_stride + p.from[layer] + col + c;
        dy_step = p.dy_stride * 4;
        even = Slab::offset(row, c);
        odd = Slab::offset(row + 4, c);
        t_row = threadIdx.x / PIECES;
        int n = slice * R + threadIdx.x % PIECES * 8;
        has_t = n < p.rank;
        t = p.t + (start + t_row) * p.t_stride + layer * p.rank + n;
        t_step = p.t_stride * ROWS;
        sum_row = threadIdx.x / R;
        dt_part = p.dt_parts + (static_cast<long long>(slice * p.groups() + group) * p.rows + start) * R + threadIdx.x;
    }

    __device__ __forceinline__ void fetch(Shared& s, int stage, int step, const Problem& p) {
        uint32_t slab = shared_address(s.dy[stage][threadIdx.x / 32]);
        int at = step * ROWS;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            bool inside = columns && at + row + 4 * i < rows;
            copy_16(slab + (i % 2 == 0 ? even : odd) + i / 2 * 8 * WARP_COLS * 2, inside ? dy : p.dy, inside);
            dy += dy_step;
        }
        if (threadIdx.x < ROWS * PIECES) {
            bool inside = has_t && at + t_row < rows;
            copy_16(shared_address(s.t[stage]) + threadIdx.x * 16, inside ? t : p.t, inside);
            t += t_step;
        }
    }

    // The warps' shares of dt, in their order.
    __device__ __forceinline__ void add_warps(const Shared& s, int buffer, int step) {
        const float* share = s.dt[buffer][0] + sum_row * Shared::LINE + threadIdx.x % R;
        float sum = 0.f;
#pragma unroll
        for (int w = 0; w < WARPS; w++) sum += share[w * ROWS * Shared::LINE];
        if (step * ROWS + sum_row < rows) *dt_part = sum;
        dt_part += ROWS * R;
    }
};

__device__ __forceinline__ void multiply_step(Shared& s, int stage, int buffer, const uint32_t (&b)[4][R / 8][2],
                                              float (&db)[4][R / 8][4]) {
    using Slab = Shared::Slab;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    int low = lane % 16, high = lane / 16 * 8;
    int inner = lane % 8 + lane / 16 * 8, outer = lane / 8 % 2 * 8;
    uint32_t slab = shared_address(s.dy[stage][warp]);
    float dt[R / 8][4] = {};
    uint32_t t[R / 16][4];
#pragma unroll
    for (int j = 0; j < R / 16; j++) load_matrices_transposed(t[j], shared_address(s.t[stage] + low * R + j * 16 + high));
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint32_t a[4];
        load_matrices(a, slab + Slab::offset(low, i * 16 + high));
#pragma unroll
        for (int j = 0; j < R / 8; j++) multiply(dt[j], a, b[i][j][0], b[i][j][1]);
        load_matrices_transposed(a, slab + Slab::offset(inner, i * 16 + outer));
#pragma unroll
        for (int j = 0; j < R / 8; j++) multiply(db[i][j], a, t[j / 2][j % 2 * 2], t[j / 2][j % 2 * 2 + 1]);
    }
    float* share = s.dt[buffer][warp] + lane / 4 * Shared::LINE + lane % 4 * 2;
#pragma unroll
    for (int j = 0; j < R / 8; j++) {
        *reinterpret_cast<float2*>(share + j * 8) = make_float2(dt[j][0], dt[j][1]);
        *reinterpret_cast<float2*>(share + 8 * Shared::LINE + j * 8) = make_float2(dt[j][2], dt[j][3]);
    }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(THREADS, 2) lora_gradient(const __grid_constant__ Problem p) {
    extern __shared__ __align__(128) uint8_t memory[];
    Shared& s = *reinterpret_cast<Shared*>(memory);
    int slice = blockIdx.x % p.slices(), group = blockIdx.x / p.slices(), layer = p.layer(group);
    int col = (group - p.first[layer]) * COLS + threadIdx.x / 32 * WARP_COLS;
    int run = blockIdx.y / p.stretches;
    int start = run * p.run + blockIdx.y % p.stretches * p.stretch, end = min((run + 1) * p.run, start + p.stretch);
    int steps = (end - start + ROWS - 1) / ROWS;
    Walk walk(p, group, slice, layer, col, start, end - start);
#pragma unroll
    for (int step = 0; step < STAGES - 1; step++) {
        if (step < steps) walk.fetch(s, step, step, p);
        commit();
    }
    uint32_t b[4][R / 8][2];
    load_b(p, run, layer, col, slice, b);
    float db[4][R / 8][4] = {};
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        wait<STAGES - 2>();
        // what this step reads has come, all have done the last one: its stage is free, its shares of dt are there
        __syncthreads();
        int ahead = step + STAGES - 1;
        if (ahead < steps) walk.fetch(s, ahead % STAGES, ahead, p);
        commit();
        if (step > 0) walk.add_warps(s, (step - 1) % 2, step - 1);
        multiply_step(s, step % STAGES, step % 2, b, db);
    }
    __syncthreads();
    walk.add_warps(s, (steps - 1) % 2, steps - 1);
    int lane = threadIdx.x % 32;
    long long line = static_cast<long long>(blockIdx.y * p.slices() + slice) * p.groups() * COLS + group * COLS +
                     threadIdx.x / 32 * WARP_COLS + lane / 4;
    float* part = p.db_parts + line * R + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < R / 8; j++) {
            *reinterpret_cast<float2*>(part + i * 16 * R + j * 8) = make_float2(db[i][j][0], db[i][j][1]);
            *reinterpret_cast<float2*>(part + (i * 16 + 8) * R + j * 8) = make_float2(db[i][j][2], db[i][j][3]);
        }
    }
}

namespace {

__device__ __forceinline__ float4 add_parts(const float* part, long long step, int count) {
    float4 sum = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll 8
    for (int i = 0; i < count; i++) {
        float4 x = *reinterpret_cast<const float4*>(part + i * step);
        sum.x += x.x, sum.y += x.y, sum.z += x.z, sum.w += x.w;
    }
    return sum;
}

}  // namespace

// Four elements a thread: first those of dt, [rows][layers][rank], then those of dB, [runs][groups · COLS][rank].
extern "C" __global__ void lora_gradient_finish(const __grid_constant__ Problem p) {
    int quads = p.rank / 4, groups = p.groups();
    long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    long long of_dt = static_cast<long long>(p.rows) * p.layers * quads;
    bool dt_or_db = i < of_dt;
    if (!dt_or_db) i -= of_dt;
    int n = i % quads * 4, slice = n / R;
    if (dt_or_db) {
        int layer = i / quads % p.layers;
        long long row = i / quads / p.layers, step = static_cast<long long>(p.rows) * R;
        const float* parts = p.dt_parts + (slice * groups + p.first[layer]) * step + row * R + n % R;
        float4 sum = add_parts(parts, step, p.first[layer + 1] - p.first[layer]);
        narrow* dt = p.dt + row * p.dt_stride + layer * p.rank + n;
        dt[0] = round_narrow(p.scaling * sum.x);
        dt[1] = round_narrow(p.scaling * sum.y);
        dt[2] = round_narrow(p.scaling * sum.z);
        dt[3] = round_narrow(p.scaling * sum.w);
        return;
    }
    long long line = i / quads, lines = static_cast<long long>(groups) * COLS;
    int run = line / lines;
    line -= run * lines;
    if (run * p.run >= p.rows) return;
    int layer = p.layer(line / COLS);
    int col = line - p.first[layer] * COLS;
    if (col >= p.size[layer]) return;
    long long step = p.slices() * lines * R;
    float4 sum = add_parts(p.db_parts + run * p.stretches * step + (slice * lines + line) * R + n % R, step, p.stretches);
    float* to = p.grad_b[layer] + run * p.grad_b_step[layer] + col * p.grad_b_stride[layer] + n;
    to[0] += sum.x, to[1] += sum.y, to[2] += sum.z, to[3] += sum.w;
}
