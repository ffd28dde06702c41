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
#include "dynamic8.cuh"

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
