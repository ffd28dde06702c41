// SPDX-License-Identifier: Apache-2.0
//
// AdamW, with moments in 32 bits and in 8: see AdamW.java and AdamW8bit.java for the contracts.
//
// Each step is rounded as on the CPU (fused where PyTorch's kernels fuse), so that both devices make the same parameters,
// moments, codes and scales of the same gradients, bit for bit.
//
// Traffic in 32 bits: parameter, m and v once in and once out, the gradient once in: 28 bytes an element. In 8 bits: the
// parameter and two bytes of codes in and out, the gradient in: 16 bytes an element, scales and table of blocks beside it 1/16
// of that.
#include "matrix.cuh"

// The scalars of one step, in the order of AdamW.Settings.factors().
struct Factors {
    float decay;            // 1 − lr · weightDecay
    float beta1;
    float beta1_rest;       // 1 − beta1
    float beta2;
    float beta2_rest;       // 1 − beta2
    float correction2_root; // sqrt(1 − beta2^step)
    float eps;
    float step_size;        // −lr / (1 − beta1^step)
};

// Of the signed map (first moment) and the unsigned one: numbers by code, codes by bin.
struct Tables {
    float signed_map[256];
    float unsigned_map[256];
    uint8_t signed_codes[65536];
    uint8_t unsigned_codes[65536];
};

// A moment in 8 bits.
struct State {
    uint8_t* codes;
    float* absmax;
};

namespace {

// Rounded after every operation, as on the CPU.
__device__ __forceinline__ float stepped(float parameter, float m, float v, const Factors& f) {
    float denominator = __fadd_rn(__fdiv_rn(__fsqrt_rn(v), f.correction2_root), f.eps);
    return __fadd_rn(__fmul_rn(parameter, f.decay), __fdiv_rn(__fmul_rn(m, f.step_size), denominator));
}

__device__ __forceinline__ void update(float& parameter, float gradient, float& m, float& v, float scale, const Factors& f) {
    float g = __fmul_rn(gradient, scale);
    m = __fmaf_rn(__fsub_rn(g, m), f.beta1_rest, m);
    v = __fmaf_rn(__fmul_rn(g, f.beta2_rest), g, __fmul_rn(v, f.beta2));
    parameter = stepped(parameter, m, v, f);
}

// In 8 bits a warp takes a block of 256 elements, eight a lane, all in registers: numbers are decoded, updated and encoded
// without a second pass. Codes come from a table of 65,536 bins for each map, which stays in the first-level cache.
constexpr int PER_LANE = 8;
constexpr int BLOCK = 32 * PER_LANE;

// A lane's elements of a block: eight neighbours, where they can be moved as vectors, or every 32nd.
struct Neighbours {
    __device__ static bool has(int, int, int) { return true; }

    __device__ static void load(const float* from, int lane, int, float (&x)[PER_LANE]) {
        const float4* vectors = reinterpret_cast<const float4*>(from + lane * PER_LANE);
        float4 a = vectors[0], b = vectors[1];
        x[0] = a.x, x[1] = a.y, x[2] = a.z, x[3] = a.w;
        x[4] = b.x, x[5] = b.y, x[6] = b.z, x[7] = b.w;
    }

    __device__ static void store(float* to, int lane, int, const float (&x)[PER_LANE]) {
        float4* vectors = reinterpret_cast<float4*>(to + lane * PER_LANE);
        vectors[0] = make_float4(x[0], x[1], x[2], x[3]);
        vectors[1] = make_float4(x[4], x[5], x[6], x[7]);
    }

    __device__ static void load(const uint8_t* from, int lane, int, uint32_t (&x)[PER_LANE]) {
        uint2 raw = *reinterpret_cast<const uint2*>(from + lane * PER_LANE);
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) x[i] = (i < 4 ? raw.x : raw.y) >> 8 * (i % 4) & 0xff;
    }

    __device__ static void store(uint8_t* to, int lane, int, const uint32_t (&x)[PER_LANE]) {
        *reinterpret_cast<uint2*>(to + lane * PER_LANE) = make_uint2(x[0] | x[1] << 8 | x[2] << 16 | x[3] << 24,
                                                                     x[4] | x[5] << 8 | x[6] << 16 | x[7] << 24);
    }
};

struct Strided {
    __device__ static int at(int lane, int i) { return i * 32 + lane; }
    __device__ static bool has(int lane, int i, int size) { return at(lane, i) < size; }

    template <typename T, typename X>
    __device__ static void load(const T* from, int lane, int size, X (&x)[PER_LANE]) {
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) x[i] = has(lane, i, size) ? static_cast<X>(from[at(lane, i)]) : X(0);
    }

    template <typename T, typename X>
    __device__ static void store(T* to, int lane, int size, const X (&x)[PER_LANE]) {
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            if (has(lane, i, size)) to[at(lane, i)] = static_cast<T>(x[i]);
        }
    }
};

template <typename Access>
__device__ __forceinline__ void decode(const State& state, long long block, long long first, int size, int lane, const float* map,
                                       float (&x)[PER_LANE]) {
    uint32_t codes[PER_LANE];
    Access::load(state.codes + first, lane, size, codes);
    float absmax = state.absmax[block];
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) x[i] = __fmul_rn(__ldg(map + codes[i]), absmax);
}

// The comparisons keep not-a-number, whose bin is the first, as in Java.
__device__ __forceinline__ int bin(float x) {
    x = x > 1.f ? 1.f : x < -1.f ? -1.f : x;
    return __float2int_rz(__fadd_rn(__fmul_rn(__fmul_rn(__fadd_rn(x, 1.f), 0.5f), 65535.f), 0.5f));
}

template <typename Access>
__device__ __forceinline__ void encode(const State& state, long long block, long long first, int size, int lane,
                                       const uint8_t* code_of_bin, const float (&x)[PER_LANE]) {
    float max = 0.f;
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        float magnitude = Access::has(lane, i, size) ? fabsf(x[i]) : 0.f;
        max = magnitude > max ? magnitude : max;
    }
    for (int offset = 16; offset > 0; offset /= 2) max = fmaxf(max, __shfl_xor_sync(~0u, max, offset));
    float inverse = __fdiv_rn(1.f, max);
    uint32_t codes[PER_LANE];
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) codes[i] = max == 0.f ? 0 : __ldg(code_of_bin + bin(__fmul_rn(x[i], inverse)));
    Access::store(state.codes + first, lane, size, codes);
    if (lane == 0) state.absmax[block] = max;
}

template <typename Access>
__device__ __forceinline__ void update(float* parameter, const float* gradient, const State& m, const State& v, long long block,
                                       long long first, int size, float scale, const Factors& f, const Tables& tables) {
    int lane = threadIdx.x % 32;
    float p[PER_LANE], g[PER_LANE], a[PER_LANE], b[PER_LANE];
    Access::load(parameter + first, lane, size, p);
    Access::load(gradient + first, lane, size, g);
    decode<Access>(m, block, first, size, lane, tables.signed_map, a);
    decode<Access>(v, block, first, size, lane, tables.unsigned_map, b);
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        float x = __fmul_rn(g[i], scale);
        a[i] = __fmaf_rn(x, f.beta1_rest, __fmul_rn(a[i], f.beta1));
        b[i] = __fmaf_rn(__fmul_rn(x, f.beta2_rest), x, __fmul_rn(b[i], f.beta2));
        p[i] = stepped(p[i], a[i], b[i], f);
    }
    Access::store(parameter + first, lane, size, p);
    encode<Access>(m, block, first, size, lane, tables.signed_codes, a);
    encode<Access>(v, block, first, size, lane, tables.unsigned_codes, b);
}

}  // namespace

extern "C" __global__ void adamw_4(float4* parameter, const float4* gradient, float4* m, float4* v, const float* norm_and_scale,
                                   const Factors* factors, long long n) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at * 4 >= n) return;
    float scale = norm_and_scale[1];
    Factors f = *factors;
    float4 p = parameter[at], g = gradient[at], a = m[at], b = v[at];
    update(p.x, g.x, a.x, b.x, scale, f);
    update(p.y, g.y, a.y, b.y, scale, f);
    update(p.z, g.z, a.z, b.z, scale, f);
    update(p.w, g.w, a.w, b.w, scale, f);
    parameter[at] = p;
    m[at] = a;
    v[at] = b;
}

extern "C" __global__ void adamw_1(float* parameter, const float* gradient, float* m, float* v, const float* norm_and_scale,
                                   const Factors* factors, long long n) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= n) return;
    update(parameter[at], gradient[at], m[at], v[at], norm_and_scale[1], *factors);
}

// `aligned`: parameter and gradient begin at multiples of 16 bytes, codes at multiples of 8.
extern "C" __global__ void __launch_bounds__(256) adamw_8bit(float* parameter, const float* gradient, State m, State v,
                                                             const int2* blocks, int count, int aligned,
                                                             const float* norm_and_scale, const Factors* factors,
                                                             const Tables* tables) {
    long long block = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    if (block >= count) return;
    int2 place = blocks[block];
    float scale = norm_and_scale[1];
    Factors f = *factors;
    if (aligned && place.x % PER_LANE == 0 && place.y == BLOCK) {
        update<Neighbours>(parameter, gradient, m, v, block, place.x, place.y, scale, f, *tables);
    } else {
        update<Strided>(parameter, gradient, m, v, block, place.x, place.y, scale, f, *tables);
    }
}
