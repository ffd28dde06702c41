// SPDX-License-Identifier: Apache-2.0
//
// SwiGLU and GeGLU, forward and backward: see GatedActivation.java for the contract.
//
// Traffic: forward 3 tensors, backward 5, or 6 where the output is made again, each once; some 10 to 25 operations an element. Backward computes the activation
// again from the gate, which is cheaper than reading a kept one.
#include "matrix.cuh"

namespace {

constexpr float SQRT_2_OVER_PI = 0.7978845608028654f;
constexpr float CUBIC = 0.044715f;
constexpr int SILU = 0;

__device__ __forceinline__ float sigmoid(float x) {
    return 1.f / (1.f + expf(-x));
}

__device__ __forceinline__ float gelu_tanh(float x) {
    return tanhf(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
}

// The activation of x and its slope.
__device__ __forceinline__ void activate(int kind, float x, float& value, float& slope) {
    if (kind == SILU) {
        float s = sigmoid(x);
        value = x * s;
        slope = s * (1.f + x * (1.f - s));
    } else {
        float t = gelu_tanh(x);
        float half = 0.5f + 0.5f * t;
        value = x * half;
        slope = half + 0.5f * x * (1.f - t * t) * SQRT_2_OVER_PI * (1.f + 3.f * CUBIC * x * x);
    }
}

template <int V>
__device__ __forceinline__ void forward(const Matrix& gate, const Matrix& up, const Matrix& out, long long rows, long long cols,
                                        int kind) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float g[V], u[V];
        load<V>(gate, row, col, g);
        load<V>(up, row, col, u);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float value, slope;
            activate(kind, g[i], value, slope);
            g[i] = value * u[i];
        }
        store<V>(out, row, col, g);
    });
}

template <int V>
__device__ __forceinline__ void backward(const Matrix& d_out, const Matrix& gate, const Matrix& up, const Matrix& d_gate,
                                         const Matrix& d_up, const Matrix& out, long long rows, long long cols, int kind) {
    for_each<V>(rows, cols, [&](long long row, long long col) {
        float d[V], g[V], u[V];
        load<V>(d_out, row, col, d);
        load<V>(gate, row, col, g);
        load<V>(up, row, col, u);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float value, slope;
            activate(kind, g[i], value, slope);
            g[i] = d[i] * u[i] * slope;
            float again = value * u[i];
            u[i] = d[i] * value;
            d[i] = again;
        }
        if (out.data != nullptr) store<V>(out, row, col, d);
        store<V>(d_gate, row, col, g);
        store<V>(d_up, row, col, u);
    });
}

}  // namespace

#define VARIANT(V)                                                                                                            \
    extern "C" __global__ void gated_forward_##V(Matrix gate, Matrix up, Matrix out, long long rows, long long cols, int kind) { \
        forward<V>(gate, up, out, rows, cols, kind);                                                                          \
    }                                                                                                                         \
    extern "C" __global__ void gated_backward_##V(Matrix d_out, Matrix gate, Matrix up, Matrix d_gate, Matrix d_up,           \
                                                  Matrix out, long long rows, long long cols, int kind) {                     \
        backward<V>(d_out, gate, up, d_gate, d_up, out, rows, cols, kind);                                                    \
    }

VARIANT(8)
VARIANT(1)
