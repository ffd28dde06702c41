// SPDX-License-Identifier: Apache-2.0
//
// Lion, with its moment in 32 bits and in 8: see Lion.java and Lion8bit.java for the contracts.
//
// Each step is rounded as on the CPU, so that both devices make the same parameters, moments, codes and scales of the same
// gradients, bit for bit.
//
// Traffic in 32 bits: parameter and moment once in and once out, the gradient once in: 20 bytes an element. In 8 bits: the
// parameter and a byte of codes in and out, the gradient in: 14 bytes.
#include "dynamic8.cuh"

// The scalars of one step, in the order of Lion.Settings.factors().
struct Factors {
    float decay;       // 1 − lr · weightDecay
    float beta1;
    float beta1_rest;  // 1 − beta1
    float beta2;
    float beta2_rest;  // 1 − beta2
    float step_size;   // lr
};

namespace {

__device__ __forceinline__ void update(float& parameter, float gradient, float& m, float scale, const Factors& f) {
    float g = __fmul_rn(gradient, scale);
    float mixed = __fmaf_rn(g, f.beta1_rest, __fmul_rn(m, f.beta1));
    float step = mixed > 0.f ? f.step_size : mixed < 0.f ? -f.step_size : 0.f;
    parameter = __fsub_rn(__fmul_rn(parameter, f.decay), step);
    m = __fmaf_rn(g, f.beta2_rest, __fmul_rn(m, f.beta2));
}

template <typename Access>
__device__ __forceinline__ void update(float* parameter, const float* gradient, const State& m, long long block, long long first,
                                       int size, float scale, const Factors& f, const Tables& tables) {
    int lane = threadIdx.x % 32;
    float p[PER_LANE], g[PER_LANE], a[PER_LANE];
    Access::load(parameter + first, lane, size, p);
    Access::load(gradient + first, lane, size, g);
    decode<Access>(m, block, first, size, lane, tables.signed_map, a);
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) update(p[i], g[i], a[i], scale, f);
    Access::store(parameter + first, lane, size, p);
    encode<Access>(m, block, first, size, lane, tables.signed_codes, a);
}

}  // namespace

extern "C" __global__ void lion_32bit(float* parameter, const float* gradient, float* m, const float* norm_and_scale,
                                      const Factors* factors, long long n) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= n) return;
    update(parameter[at], gradient[at], m[at], norm_and_scale[1], *factors);
}

// `aligned`: parameter and gradient begin at multiples of 16 bytes, codes at multiples of 8.
extern "C" __global__ void __launch_bounds__(256) lion_8bit(float* parameter, const float* gradient, State m, const int2* blocks,
                                                            int count, int aligned, const float* norm_and_scale,
                                                            const Factors* factors, const Tables* tables) {
    long long block = (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
    if (block >= count) return;
    int2 place = blocks[block];
    float scale = norm_and_scale[1];
    Factors f = *factors;
    if (aligned && place.x % PER_LANE == 0 && place.y == BLOCK) {
        update<Neighbours>(parameter, gradient, m, block, place.x, place.y, scale, f, *tables);
    } else {
        update<Strided>(parameter, gradient, m, block, place.x, place.y, scale, f, *tables);
    }
}
