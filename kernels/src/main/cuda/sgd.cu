// SPDX-License-Identifier: Apache-2.0
//
// SGD without momentum: see Sgd.java for the contract. Rounded as on the CPU: both devices make the same bits.
//
// Traffic: the parameter in and out, the gradient in: 12 bytes an element.

extern "C" __global__ void sgd(float* parameter, const float* gradient, const float* norm_and_scale, const float* factors,
                               long long n) {
    long long at = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= n) return;
    float p = parameter[at];
    float g = __fmaf_rn(p, factors[0], __fmul_rn(gradient[at], norm_and_scale[1]));
    parameter[at] = __fmaf_rn(g, factors[1], p);
}
