// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import jdk.incubator.vector.FloatVector;

/** SwiGLU and GeGLU. Backward computes the activation again from the gate: cheaper than reading a kept one. */
final class CpuGatedActivation implements GatedActivation {

    private static final float SQRT_2_OVER_PI = 0.7978845608f;
    private static final float CUBIC = 0.044715f;

    private final Workers workers;

    CpuGatedActivation(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void forward(Tensor gate, Tensor up, Kind kind, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(gate, row, col, count, buffers[0], 0);
                    Rows.load(up, row, col, count, buffers[1], 0);
                    switch (kind) {
                        case SILU -> silu(buffers[0], buffers[1], count);
                        case GELU_TANH -> gelu(buffers[0], buffers[1], count);
                    }
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                out,
                gate,
                up);
    }

    private static void silu(float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector x = VectorMath.load(gate, i);
            x.mul(VectorMath.sigmoid(x)).mul(VectorMath.load(up, i)).intoArray(gate, i);
        }
    }

    private static void gelu(float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector x = VectorMath.load(gate, i);
            FloatVector half = x.mul(0.5f);
            half.mul(tanh(x).add(1f)).mul(VectorMath.load(up, i)).intoArray(gate, i);
        }
    }

    /** {@code tanh(√(2/π) · (x + 0.044715 x³))}. */
    private static FloatVector tanh(FloatVector x) {
        FloatVector cubic = x.mul(x).mul(CUBIC).mul(x);
        return VectorMath.tanh(x.add(cubic).mul(SQRT_2_OVER_PI));
    }

    @Override
    public void backward(Tensor dOut, Tensor gate, Tensor up, Kind kind, Tensor dGate, Tensor dUp) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(dOut, row, col, count, buffers[0], 0);
                    Rows.load(gate, row, col, count, buffers[1], 0);
                    Rows.load(up, row, col, count, buffers[2], 0);
                    switch (kind) {
                        case SILU -> siluGradient(buffers[0], buffers[1], buffers[2], count);
                        case GELU_TANH -> geluGradient(buffers[0], buffers[1], buffers[2], count);
                    }
                    Rows.store(buffers[1], 0, count, dGate, row, col);
                    Rows.store(buffers[2], 0, count, dUp, row, col);
                },
                gate,
                dOut,
                up,
                dGate,
                dUp);
    }

    /** {@code gate ← dOut · up · s · (1 + x · (1 − s))}, {@code up ← dOut · x · s} with {@code s = sigmoid(x)}. */
    private static void siluGradient(float[] dOut, float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector d = VectorMath.load(dOut, i);
            FloatVector x = VectorMath.load(gate, i);
            FloatVector s = VectorMath.sigmoid(x);
            FloatVector slope = x.sub(x.mul(s)).add(1f).mul(s);
            d.mul(VectorMath.load(up, i)).mul(slope).intoArray(gate, i);
            d.mul(x.mul(s)).intoArray(up, i);
        }
    }

    /** The slope is {@code (1 + t) / 2 + x/2 · (1 − t²) · √(2/π) · (1 + 3 · 0.044715 x²)}. */
    private static void geluGradient(float[] dOut, float[] gate, float[] up, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector d = VectorMath.load(dOut, i);
            FloatVector x = VectorMath.load(gate, i);
            FloatVector t = tanh(x);
            FloatVector half = t.mul(0.5f).add(0.5f);
            FloatVector inner = x.mul(x).mul(3 * CUBIC).add(1f).mul(SQRT_2_OVER_PI);
            FloatVector slope = half.add(x.mul(0.5f).mul(t.mul(t).neg().add(1f)).mul(inner));
            d.mul(VectorMath.load(up, i)).mul(slope).intoArray(gate, i);
            d.mul(x.mul(half)).intoArray(up, i);
        }
    }
}
