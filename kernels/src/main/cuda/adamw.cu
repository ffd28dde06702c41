// SPDX-License-Identifier: Apache-2.0
//
// AdamW: see AdamW.java for the contract.
//
// Traffic: parameter, m and v once in and once out, the gradient once in: 28 bytes an element. Each step is rounded as on the
// CPU (fused where PyTorch's kernel fuses), so that both devices make the same parameters of the same gradients.
#include "matrix.cuh"

struct Factors {
    float decay;            // 1 − lr · weightDecay
    float beta1_rest;       // 1 − beta1
    float beta2;
    float beta2_rest;       // 1 − beta2
    float correction2_root; // sqrt(1 − beta2^step)
    float eps;
    float step_size;        // −lr / (1 − beta1^step)
};

namespace {

__device__ __forceinline__ void update(float& parameter, float gradient, float& m, float& v, float scale, const Factors& f) {
    float g = __fmul_rn(gradient, scale);
    m = __fmaf_rn(__fsub_rn(g, m), f.beta1_rest, m);
    v = __fmaf_rn(__fmul_rn(g, f.beta2_rest), g, __fmul_rn(v, f.beta2));
    float denominator = __fadd_rn(__fdiv_rn(__fsqrt_rn(v), f.correction2_root), f.eps);
    parameter = __fadd_rn(__fmul_rn(parameter, f.decay), __fdiv_rn(__fmul_rn(m, f.step_size), denominator));
}

}  // namespace

extern "C" __global__ void adamw_4(float4* parameter, const float4* gradient, float4* m, float4* v, const float* norm_and_scale,
                                   long long n, Factors factors) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at * 4 >= n) return;
    float scale = norm_and_scale[1];
    float4 p = parameter[at], g = gradient[at], a = m[at], b = v[at];
    update(p.x, g.x, a.x, b.x, scale, factors);
    update(p.y, g.y, a.y, b.y, scale, factors);
    update(p.z, g.z, a.z, b.z, scale, factors);
    update(p.w, g.w, a.w, b.w, scale, factors);
    parameter[at] = p;
    m[at] = a;
    v[at] = b;
}

extern "C" __global__ void adamw_1(float* parameter, const float* gradient, float* m, float* v, const float* norm_and_scale,
                                   long long n, Factors factors) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= n) return;
    update(parameter[at], gradient[at], m[at], v[at], norm_and_scale[1], factors);
}
