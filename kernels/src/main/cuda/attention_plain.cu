// SPDX-License-Identifier: Apache-2.0
//
// Causal attention on the ordinary units in f32: for runs in f32, and for heads of more than 128 elements where a block has
// not the shared memory that attention.cu takes. See Attention.java for the contract.
//
// Operations as in attention.cu; a warp takes one query of one head (backward of keys: one key of a key/value head) and walks
// the keys (the queries of the group) in order, so every sum has one owner and one order. Traffic: k and v once a query, from
// L2: this is for correctness, not for speed.
#include "matrix.cuh"
#include "sequences.cuh"

struct Problem {
    Matrix q, k, v, out, d_out, dq, dk, dv;
    float* log_sum_exp;
    float* delta;
    const int *query_starts, *key_starts;
    int sequences, queries, heads, group, head_dim, window;
    float scale, cap;
};

namespace {

constexpr int WARPS = 4;
constexpr int PER_LANE = 8;  // elements of a head of up to 256

__device__ __forceinline__ void load_row(const Matrix& m, long long row, int head, int head_dim, float (&x)[PER_LANE]) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        float one[1] = {0.f};
        if (i * 32 + lane < head_dim) load<1>(m, row, head * head_dim + i * 32 + lane, one);
        x[i] = one[0];
    }
}

__device__ __forceinline__ void store_row(const Matrix& m, long long row, int head, int head_dim, const float (&x)[PER_LANE],
                                          float factor) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        float one[1] = {x[i] * factor};
        if (i * 32 + lane < head_dim) store<1>(m, row, head * head_dim + i * 32 + lane, one);
    }
}

__device__ __forceinline__ float dot(const float (&x)[PER_LANE], const float (&y)[PER_LANE]) {
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) sum += x[i] * y[i];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(~0u, sum, offset);
    return sum;
}

__device__ __forceinline__ void add(float (&sum)[PER_LANE], float factor, const float (&x)[PER_LANE]) {
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) sum[i] += factor * x[i];
}

__device__ __forceinline__ float score(float product, const Problem& p, float& slope) {
    float s = p.scale * product;
    slope = 1.f;
    if (p.cap > 0.f) {
        float t = tanhf(s / p.cap);
        s = p.cap * t;
        slope = 1.f - t * t;
    }
    return s;
}

__device__ __forceinline__ int first_key(int position, int window) {
    return window == 0 ? 0 : max(0, position - window + 1);
}

}  // namespace

extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_plain_forward(const __grid_constant__ Problem p) {
    Tile tile = find_tile(blockIdx.x, WARPS, p.query_starts, p.key_starts, p.sequences);
    int query = tile.row + threadIdx.x / 32;
    if (query >= tile.queries) return;
    int head = blockIdx.y, kv_head = head / p.group, position = tile.keys - tile.queries + query;
    float q[PER_LANE], sum[PER_LANE] = {};
    load_row(p.q, tile.query_start + query, head, p.head_dim, q);
    float max = -INFINITY, total = 0.f;
    for (int key = first_key(position, p.window); key <= position; key++) {
        float k[PER_LANE], v[PER_LANE], slope;
        load_row(p.k, tile.key_start + key, kv_head, p.head_dim, k);
        load_row(p.v, tile.key_start + key, kv_head, p.head_dim, v);
        float s = score(dot(q, k), p, slope);
        float top = fmaxf(max, s), shrink = expf(max - top), weight = expf(s - top);
        total = total * shrink + weight;
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) sum[i] = sum[i] * shrink + weight * v[i];
        max = top;
    }
    store_row(p.out, tile.query_start + query, head, p.head_dim, sum, 1.f / total);
    if (threadIdx.x % 32 == 0) {
        p.log_sum_exp[static_cast<long long>(head) * p.queries + tile.query_start + query] = max + logf(total);
    }
}

// delta[head][row] = Σ dO ∘ O; a warp a row and head.
extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_plain_delta(const __grid_constant__ Problem p) {
    int row = blockIdx.x * WARPS + threadIdx.x / 32, head = blockIdx.y;
    if (row >= p.queries) return;
    float out[PER_LANE], d_out[PER_LANE];
    load_row(p.out, row, head, p.head_dim, out);
    load_row(p.d_out, row, head, p.head_dim, d_out);
    float sum = dot(out, d_out);
    if (threadIdx.x % 32 == 0) p.delta[static_cast<long long>(head) * p.queries + row] = sum;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_plain_backward_queries(const __grid_constant__ Problem p) {
    Tile tile = find_tile(blockIdx.x, WARPS, p.query_starts, p.key_starts, p.sequences);
    int query = tile.row + threadIdx.x / 32;
    if (query >= tile.queries) return;
    int head = blockIdx.y, kv_head = head / p.group, position = tile.keys - tile.queries + query;
    long long at = static_cast<long long>(head) * p.queries + tile.query_start + query;
    float q[PER_LANE], d_out[PER_LANE], sum[PER_LANE] = {};
    load_row(p.q, tile.query_start + query, head, p.head_dim, q);
    load_row(p.d_out, tile.query_start + query, head, p.head_dim, d_out);
    for (int key = first_key(position, p.window); key <= position; key++) {
        float k[PER_LANE], v[PER_LANE], slope;
        load_row(p.k, tile.key_start + key, kv_head, p.head_dim, k);
        load_row(p.v, tile.key_start + key, kv_head, p.head_dim, v);
        float weight = expf(score(dot(q, k), p, slope) - p.log_sum_exp[at]);
        add(sum, weight * (dot(d_out, v) - p.delta[at]) * slope, k);
    }
    store_row(p.dq, tile.query_start + query, head, p.head_dim, sum, p.scale);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS) attention_plain_backward_keys(const __grid_constant__ Problem p) {
    Tile tile = find_tile(blockIdx.x, WARPS, p.query_starts, p.key_starts, p.sequences, true);
    int key = tile.row + threadIdx.x / 32;
    if (key >= tile.keys) return;
    int kv_head = blockIdx.y, shift = tile.keys - tile.queries;
    int first = max(0, key - shift), last = p.window == 0 ? tile.queries : min(tile.queries, key + p.window - shift);
    float k[PER_LANE], v[PER_LANE], dk[PER_LANE] = {}, dv[PER_LANE] = {};
    load_row(p.k, tile.key_start + key, kv_head, p.head_dim, k);
    load_row(p.v, tile.key_start + key, kv_head, p.head_dim, v);
    for (int head = kv_head * p.group; head < (kv_head + 1) * p.group; head++) {
        for (int query = first; query < last; query++) {
            long long at = static_cast<long long>(head) * p.queries + tile.query_start + query;
            float q[PER_LANE], d_out[PER_LANE], slope;
            load_row(p.q, tile.query_start + query, head, p.head_dim, q);
            load_row(p.d_out, tile.query_start + query, head, p.head_dim, d_out);
            float weight = expf(score(dot(q, k), p, slope) - p.log_sum_exp[at]);
            add(dv, weight, d_out);
            add(dk, weight * (dot(d_out, v) - p.delta[at]) * slope, q);
        }
    }
    store_row(p.dk, tile.key_start + key, kv_head, p.head_dim, dk, p.scale);
    store_row(p.dv, tile.key_start + key, kv_head, p.head_dim, dv, 1.f);
}
