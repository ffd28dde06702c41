// SPDX-License-Identifier: Apache-2.0
//
// Causal attention over sequences of different lengths, forward and backward, 16 bits, heads of up to 256 elements, for sm_80
// and up (over 128 where a block has the shared memory): see Attention.java for the contract. Heads of other widths than 64, 128 and 256
// are padded with zeros in shared memory.
//
//   P = exp(scale · QKᵀ − logSumExp)   dP = dO · Vᵀ   dS = P ∘ (dP − delta), delta = Σ dO ∘ O a row
//   dV = Pᵀ · dO    dK = scale · dSᵀ · Q    dQ = scale · dS · K
//
// Operations for each query and each key that it sees: 4·D forward, 14·D backward (the scores and dP are computed for dQ and
// again for dK and dV: then every sum has one owner, no block waits for another, and the result is the same on every run).
// Traffic: forward q and out once, k and v once for every 64 queries of a head, from L2; backward likewise in both directions.
//
// A warp holds 16 rows (queries; keys for dK and dV) of its block's 64 and keeps scores and sums in registers: the result
// fragment of one product is the operand fragment of the next (Dao, FlashAttention-2, 2023). Sums of 256 columns would not fit the
// registers: two warps take the same 16 rows then, each makes all scores and sums up half of the columns.
#include "mma.cuh"
#include "sequences.cuh"

namespace {

constexpr int ROWS = 64;  // of a block

// Columns that a warp sums up, warps that share rows, and threads of a block.
template <int D>
constexpr int WIDTH = D < 128 ? D : 128;
template <int D>
constexpr int PARTS = D / WIDTH<D>;
template <int D>
constexpr int THREADS = 128 * PARTS<D>;
constexpr float LOG2_E = 1.4426950408889634f;
constexpr float LN_2 = 0.6931471805599453f;

struct Rows {
    narrow* data;
    long long stride;
    int aligned;  // rows begin at multiples of 16 bytes
};

struct Problem {
    Rows q, k, v, out, d_out, dq, dk, dv;
    float* log_sum_exp;  // [heads][queries]
    float* delta;        // [heads][queries]
    const int *query_starts, *key_starts;
    int sequences, queries, heads, group, head_dim, window;
    float scale, cap;
};

template <int D>
using Block = mma::Tile<ROWS, D>;

// Tiles of rows of one head; what is beyond the head's width is zeros.
template <typename T>
struct Head : mma::Loader<T, THREADS<T::COLS>, true> {
    __device__ __forceinline__ Head(const Rows& x, int head, int head_dim)
        : mma::Loader<T, THREADS<T::COLS>, true>(x.data + static_cast<long long>(head) * head_dim, x.stride, 0, head_dim, x.aligned) {}
};

// sum[16 × 8·N] += a · bᵀ: a's rows at `a_row` of one tile, b's rows 0 … 8·N of another, both with D columns.
template <typename A, typename B, int D, int N>
__device__ __forceinline__ void multiply_rows(float (&sum)[N][4], uint32_t a_tile, int a_row, uint32_t b_tile) {
    int lane = threadIdx.x % 32;
    int low = lane % 16, high = lane / 16 * 8, inner = lane % 8 + lane / 16 * 8, outer = lane / 8 % 2 * 8;
#pragma unroll
    for (int d = 0; d < D; d += 16) {
        uint32_t a[4];
        mma::load_matrices(a, a_tile + A::offset(a_row + low, d + high));
#pragma unroll
        for (int j = 0; j < N / 2; j++) {
            uint32_t b[4];
            mma::load_matrices(b, b_tile + B::offset(j * 16 + inner, d + outer));
            mma::multiply(sum[2 * j], a, b[0], b[1]);
            mma::multiply(sum[2 * j + 1], a, b[2], b[3]);
        }
    }
}

// sum[16 × W] += p[16 × 8·N] · b, p in registers as scores left it, b's rows 0 … 8·N and columns col … col + W of a tile.
template <typename B, int W, int N>
__device__ __forceinline__ void multiply_scores(float (&sum)[W / 8][4], const float (&p)[N][4], uint32_t b_tile, int col) {
    int lane = threadIdx.x % 32;
    int low = lane % 16, high = lane / 16 * 8;
#pragma unroll
    for (int i = 0; i < N / 2; i++) {
        uint32_t a[4] = {mma::pack(p[2 * i][0], p[2 * i][1]), mma::pack(p[2 * i][2], p[2 * i][3]),
                         mma::pack(p[2 * i + 1][0], p[2 * i + 1][1]), mma::pack(p[2 * i + 1][2], p[2 * i + 1][3])};
#pragma unroll
        for (int j = 0; j < W / 16; j++) {
            uint32_t b[4];
            mma::load_matrices_transposed(b, b_tile + B::offset(i * 16 + low, col + j * 16 + high));
            mma::multiply(sum[2 * j], a, b[0], b[1]);
            mma::multiply(sum[2 * j + 1], a, b[2], b[3]);
        }
    }
}

// Rows of a warp's result, times a factor each, to memory from column `from` of the head on.
template <int W>
__device__ __forceinline__ void write_rows(const Rows& x, const float (&sum)[W / 8][4], int first, int rows, int start, int head,
                                           int head_dim, int from, const float (&factors)[2]) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int row = first + lane / 4 + half * 8;
        if (row >= rows) continue;
        narrow* to = x.data + (start + row) * x.stride + static_cast<long long>(head) * head_dim;
#pragma unroll
        for (int j = 0; j < W / 8; j++) {
            int col = from + j * 8 + lane % 4 * 2;
            float a = sum[j][half * 2] * factors[half], b = sum[j][half * 2 + 1] * factors[half];
            if (x.aligned && col + 1 < head_dim) {
                *reinterpret_cast<uint32_t*>(to + col) = mma::pack(a, b);
            } else {
                if (col < head_dim) to[col] = round_narrow(a);
                if (col + 1 < head_dim) to[col + 1] = round_narrow(b);
            }
        }
    }
}

__device__ __forceinline__ bool sees(int position, int key, int window) {
    return key <= position && (window == 0 || key > position - window);
}

// The score as a power of two's exponent.
__device__ __forceinline__ float score(float product, const Problem& p) {
    float s = p.scale * product;
    return LOG2_E * (p.cap > 0.f ? p.cap * tanhf(s / p.cap) : s);
}

template <int D>
__device__ __forceinline__ void forward(const Problem& p) {
    using T = Block<D>;
    constexpr int N = ROWS / 8, W = WIDTH<D>;
    extern __shared__ __align__(128) uint8_t memory[];
    uint8_t *q_tile = memory, *k_tiles = q_tile + T::BYTES, *v_tiles = k_tiles + 2 * T::BYTES;
    Tile tile = find_tile(gridDim.x - 1 - blockIdx.x, ROWS, p.query_starts, p.key_starts, p.sequences);
    if (tile.queries == 0) return;
    int head = blockIdx.y, kv_head = head / p.group;
    int shift = tile.keys - tile.queries;  // position of query 0
    int last = min(tile.keys, shift + tile.row + ROWS);
    int first = p.window == 0 ? 0 : max(0, shift + tile.row - p.window + 1) / ROWS * ROWS;
    int key_end = tile.key_start + tile.keys;
    Head<T>(p.q, head, p.head_dim).fetch(q_tile, tile.query_start + tile.row, tile.query_start + tile.queries);
    Head<T> keys(p.k, kv_head, p.head_dim), values(p.v, kv_head, p.head_dim);
    keys.fetch(k_tiles, tile.key_start + first, key_end);
    values.fetch(v_tiles, tile.key_start + first, key_end);
    mma::commit();
    int warp = PARTS<D> == 1 ? threadIdx.x / 32 : threadIdx.x / 32 % 4, part = PARTS<D> == 1 ? 0 : threadIdx.x / 128, lane = threadIdx.x % 32;
    int row = tile.row + warp * 16 + lane / 4;  // and row + 8
    float sum[W / 8][4] = {};
    float max[2] = {-INFINITY, -INFINITY}, total[2] = {};
    int stage = 0;
    for (int key = first; key < last; key += ROWS, stage ^= 1) {
        if (key + ROWS < last) {
            keys.fetch(k_tiles + (stage ^ 1) * T::BYTES, tile.key_start + key + ROWS, key_end);
            values.fetch(v_tiles + (stage ^ 1) * T::BYTES, tile.key_start + key + ROWS, key_end);
        }
        mma::commit();
        mma::wait<1>();
        __syncthreads();
        float s[N][4] = {};
        multiply_rows<T, T, D, N>(s, mma::shared_address(q_tile), warp * 16, mma::shared_address(k_tiles + stage * T::BYTES));
        bool masked = key + ROWS > shift + tile.row + 1 || (p.window != 0 && key <= shift + tile.row + ROWS - 1 - p.window);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int position = shift + row + half * 8;
            float top = max[half];
#pragma unroll
            for (int j = 0; j < N; j++) {
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float& x = s[j][half * 2 + i];
                    x = score(x, p);
                    if (masked && !sees(position, key + j * 8 + lane % 4 * 2 + i, p.window)) x = -INFINITY;
                    top = fmaxf(top, x);
                }
            }
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
            float base = top == -INFINITY ? 0.f : top;  // a row that saw nothing yet
            float shrink = exp2f(max[half] - base);
            max[half] = top;
            total[half] *= shrink;
#pragma unroll
            for (int j = 0; j < W / 8; j++) sum[j][half * 2] *= shrink, sum[j][half * 2 + 1] *= shrink;
#pragma unroll
            for (int j = 0; j < N; j++) {
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float& x = s[j][half * 2 + i];
                    x = exp2f(x - base);
                    total[half] += x;
                }
            }
        }
        multiply_scores<T, W, N>(sum, s, mma::shared_address(v_tiles + stage * T::BYTES), part * W);
        __syncthreads();
    }
    float factors[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        total[half] += __shfl_xor_sync(~0u, total[half], 1);
        total[half] += __shfl_xor_sync(~0u, total[half], 2);
        factors[half] = 1.f / total[half];
        int query = row + half * 8;
        if (part == 0 && lane % 4 == 0 && query < tile.queries) {
            p.log_sum_exp[static_cast<long long>(head) * p.queries + tile.query_start + query] = LN_2 * max[half] + logf(total[half]);
        }
    }
    write_rows<W>(p.out, sum, tile.row + warp * 16, tile.queries, tile.query_start, head, p.head_dim, part * W, factors);
}

// P and dS of one element, in place of the product of q and k and of dP.
__device__ __forceinline__ void differentiate(float& s, float& dp, bool seen, float log_sum_exp, float delta, const Problem& p) {
    float x = p.scale * s, slope = 1.f;
    if (p.cap > 0.f) {
        float t = tanhf(x / p.cap);
        x = p.cap * t;
        slope = 1.f - t * t;
    }
    s = seen ? exp2f(LOG2_E * (x - log_sum_exp)) : 0.f;
    dp = s * (dp - delta) * slope;
}

template <int D>
__device__ __forceinline__ void backward_queries(const Problem& p) {
    using T = Block<D>;
    constexpr int N = ROWS / 8, W = WIDTH<D>;
    extern __shared__ __align__(128) uint8_t memory[];
    uint8_t *q_tile = memory, *d_tile = q_tile + T::BYTES, *k_tiles = d_tile + T::BYTES, *v_tiles = k_tiles + 2 * T::BYTES;
    Tile tile = find_tile(gridDim.x - 1 - blockIdx.x, ROWS, p.query_starts, p.key_starts, p.sequences);
    if (tile.queries == 0) return;
    int head = blockIdx.y, kv_head = head / p.group;
    int shift = tile.keys - tile.queries;
    int last = min(tile.keys, shift + tile.row + ROWS);
    int first = p.window == 0 ? 0 : max(0, shift + tile.row - p.window + 1) / ROWS * ROWS;
    int key_end = tile.key_start + tile.keys;
    Head<T>(p.q, head, p.head_dim).fetch(q_tile, tile.query_start + tile.row, tile.query_start + tile.queries);
    Head<T>(p.d_out, head, p.head_dim).fetch(d_tile, tile.query_start + tile.row, tile.query_start + tile.queries);
    Head<T> keys(p.k, kv_head, p.head_dim), values(p.v, kv_head, p.head_dim);
    keys.fetch(k_tiles, tile.key_start + first, key_end);
    values.fetch(v_tiles, tile.key_start + first, key_end);
    mma::commit();
    int warp = PARTS<D> == 1 ? threadIdx.x / 32 : threadIdx.x / 32 % 4, part = PARTS<D> == 1 ? 0 : threadIdx.x / 128, lane = threadIdx.x % 32;
    int row = tile.row + warp * 16 + lane / 4;
    float log_sum_exp[2] = {}, delta[2] = {};
    for (int half = 0; half < 2; half++) {
        int query = row + half * 8;
        if (query >= tile.queries) continue;
        long long at = static_cast<long long>(head) * p.queries + tile.query_start + query;
        log_sum_exp[half] = p.log_sum_exp[at];
        delta[half] = p.delta[at];
    }
    float sum[W / 8][4] = {};
    int stage = 0;
    for (int key = first; key < last; key += ROWS, stage ^= 1) {
        if (key + ROWS < last) {
            keys.fetch(k_tiles + (stage ^ 1) * T::BYTES, tile.key_start + key + ROWS, key_end);
            values.fetch(v_tiles + (stage ^ 1) * T::BYTES, tile.key_start + key + ROWS, key_end);
        }
        mma::commit();
        mma::wait<1>();
        __syncthreads();
        uint32_t k_tile = mma::shared_address(k_tiles + stage * T::BYTES);
        float s[N][4] = {}, dp[N][4] = {};
        multiply_rows<T, T, D, N>(s, mma::shared_address(q_tile), warp * 16, k_tile);
        multiply_rows<T, T, D, N>(dp, mma::shared_address(d_tile), warp * 16, mma::shared_address(v_tiles + stage * T::BYTES));
#pragma unroll
        for (int j = 0; j < N; j++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int half = i / 2, query = row + half * 8;
                bool seen = query < tile.queries && sees(shift + query, key + j * 8 + lane % 4 * 2 + i % 2, p.window);
                differentiate(s[j][i], dp[j][i], seen, log_sum_exp[half], delta[half], p);
            }
        }
        multiply_scores<T, W, N>(sum, dp, k_tile, part * W);
        __syncthreads();
    }
    float factors[2] = {p.scale, p.scale};
    write_rows<W>(p.dq, sum, tile.row + warp * 16, tile.queries, tile.query_start, head, p.head_dim, part * W, factors);
}

// A block takes 64 keys of one key/value head, and the queries of its group 32 at a time, head after head.
template <int D>
__device__ __forceinline__ void backward_keys(const Problem& p) {
    constexpr int QUERIES = 32;
    using T = Block<D>;
    using Q = mma::Tile<QUERIES, D>;
    constexpr int N = QUERIES / 8, W = WIDTH<D>;
    extern __shared__ __align__(128) uint8_t memory[];
    uint8_t *k_tile = memory, *v_tile = k_tile + T::BYTES, *q_tiles = v_tile + T::BYTES, *d_tiles = q_tiles + 2 * Q::BYTES;
    Tile tile = find_tile(blockIdx.x, ROWS, p.query_starts, p.key_starts, p.sequences, true);
    if (tile.keys == 0) return;
    int kv_head = blockIdx.y;
    int shift = tile.keys - tile.queries;
    // the first query that sees a key of this block, and the one after the last
    int first = max(0, tile.row - shift) / QUERIES * QUERIES;
    int last = p.window == 0 ? tile.queries : min(tile.queries, tile.row + ROWS - 1 + p.window - shift);
    int per_head = max(0, (last - first + QUERIES - 1) / QUERIES), steps = per_head * p.group;
    int query_end = tile.query_start + tile.queries;
    Head<T>(p.k, kv_head, p.head_dim).fetch(k_tile, tile.key_start + tile.row, tile.key_start + tile.keys);
    Head<T>(p.v, kv_head, p.head_dim).fetch(v_tile, tile.key_start + tile.row, tile.key_start + tile.keys);
    auto fetch_step = [&](int step, int stage) {
        int head = kv_head * p.group + step / per_head, query = tile.query_start + first + step % per_head * QUERIES;
        Head<Q>(p.q, head, p.head_dim).fetch(q_tiles + stage * Q::BYTES, query, query_end);
        Head<Q>(p.d_out, head, p.head_dim).fetch(d_tiles + stage * Q::BYTES, query, query_end);
    };
    if (steps > 0) fetch_step(0, 0);
    mma::commit();
    int warp = PARTS<D> == 1 ? threadIdx.x / 32 : threadIdx.x / 32 % 4, part = PARTS<D> == 1 ? 0 : threadIdx.x / 128, lane = threadIdx.x % 32;
    int key = tile.row + warp * 16 + lane / 4;
    float dk[W / 8][4] = {}, dv[W / 8][4] = {};
    for (int step = 0; step < steps; step++) {
        int stage = step % 2;
        if (step + 1 < steps) fetch_step(step + 1, stage ^ 1);
        mma::commit();
        mma::wait<1>();
        __syncthreads();
        int head = kv_head * p.group + step / per_head, query_0 = first + step % per_head * QUERIES;
        const long long at_0 = static_cast<long long>(head) * p.queries + tile.query_start;
        uint32_t q_tile = mma::shared_address(q_tiles + stage * Q::BYTES), d_tile = mma::shared_address(d_tiles + stage * Q::BYTES);
        float s[N][4] = {}, dp[N][4] = {};
        multiply_rows<T, Q, D, N>(s, mma::shared_address(k_tile), warp * 16, q_tile);
        multiply_rows<T, Q, D, N>(dp, mma::shared_address(v_tile), warp * 16, d_tile);
#pragma unroll
        for (int j = 0; j < N; j++) {
#pragma unroll
            for (int i = 0; i < 2; i++) {
                int query = query_0 + j * 8 + lane % 4 * 2 + i;
                bool inside = query < tile.queries;
                float log_sum_exp = inside ? p.log_sum_exp[at_0 + query] : 0.f, delta = inside ? p.delta[at_0 + query] : 0.f;
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    bool seen = inside && sees(shift + query, key + half * 8, p.window);
                    differentiate(s[j][half * 2 + i], dp[j][half * 2 + i], seen, log_sum_exp, delta, p);
                }
            }
        }
        multiply_scores<Q, W, N>(dv, s, d_tile, part * W);
        multiply_scores<Q, W, N>(dk, dp, q_tile, part * W);
        __syncthreads();
    }
    mma::wait<0>();
    float ones[2] = {1.f, 1.f}, factors[2] = {p.scale, p.scale};
    write_rows<W>(p.dv, dv, tile.row + warp * 16, tile.keys, tile.key_start, kv_head, p.head_dim, part * W, ones);
    write_rows<W>(p.dk, dk, tile.row + warp * 16, tile.keys, tile.key_start, kv_head, p.head_dim, part * W, factors);
}

}  // namespace

#define ATTENTION(D)                                                                                                        \
    extern "C" __global__ void __launch_bounds__(THREADS<D>) attention_forward_##D(const __grid_constant__ Problem p) {     \
        forward<D>(p);                                                                                                      \
    }                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS<D>) attention_backward_queries_##D(const __grid_constant__ Problem p) {\
        backward_queries<D>(p);                                                                                             \
    }                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(THREADS<D>) attention_backward_keys_##D(const __grid_constant__ Problem p) {\
        backward_keys<D>(p);                                                                                                \
    }

ATTENTION(64)
ATTENTION(128)
ATTENTION(256)
