// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** SwiGLU and GeGLU. Backward computes the activation again from the gate: cheaper than reading a kept one. */
final class CpuGatedActivation implements GatedActivation {

    private static final float SQRT_2_OVER_PI = 0.7978845608f;
    private static final float CUBIC = 0.044715f;

    // in long loops the API's own methods, which are inlined whatever the size of the loop
    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuGatedActivation(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void forward(Tensor gate, Tensor up, Kind kind, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    float[] g = buffers[0];
                    float[] u = buffers[1];
                    float[] s = buffers[2];
                    Rows.load(gate, row, col, count, g, 0);
                    Rows.load(up, row, col, count, u, 0);
                    inverseOdds(kind, g, s, count);
                    activate(g, u, s, g, count);
                    Rows.store(g, 0, count, out, row, col);
                },
                out,
                gate,
                up);
    }

    private static void activate(float[] gate, float[] up, float[] inverseOdds, float[] out, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector activated = FloatVector.fromArray(SPECIES, gate, i)
                    .div(FloatVector.fromArray(SPECIES, inverseOdds, i).add(1f));
            activated.mul(FloatVector.fromArray(SPECIES, up, i)).intoArray(out, i);
        }
    }

    /**
     * Both activations are {@code x · sigmoid(z)}: SiLU with {@code z = x}, the tanh form of GELU with
     * {@code z = 2 √(2/π) (x + 0.044715 x³)}, since {@code (1 + tanh(y)) / 2 = sigmoid(2y)}. This writes {@code e^−z}.
     */
    private static void inverseOdds(Kind kind, float[] x, float[] out, int count) {
        switch (kind) {
            case SILU -> {
                for (int i = 0; i < count; i += VectorMath.LANES) {
                    FloatVector.fromArray(SPECIES, x, i).neg().intoArray(out, i);
                }
            }
            case GELU_TANH -> {
                for (int i = 0; i < count; i += VectorMath.LANES) {
                    FloatVector v = FloatVector.fromArray(SPECIES, x, i);
                    FloatVector cubic = v.mul(v).mul(CUBIC).mul(v);
                    v.add(cubic).mul(-2 * SQRT_2_OVER_PI).intoArray(out, i);
                }
            }
        }
        VectorMath.exp(out, 0, out, 0, Elements.padded(count));
    }

    @Override
    public void backward(Tensor dOut, Tensor gate, Tensor up, Kind kind, Tensor dGate, Tensor dUp, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(dOut, row, col, count, buffers[0], 0);
                    Rows.load(gate, row, col, count, buffers[1], 0);
                    Rows.load(up, row, col, count, buffers[2], 0);
                    inverseOdds(kind, buffers[1], buffers[3], count);
                    slopeOfArgument(kind, buffers[1], buffers[4], count);
                    if (out != null) {
                        activate(buffers[1], buffers[2], buffers[3], buffers[5], count);
                    }
                    gradients(buffers, count);
                    Rows.store(buffers[1], 0, count, dGate, row, col);
                    Rows.store(buffers[2], 0, count, dUp, row, col);
                    if (out != null) {
                        Rows.store(buffers[5], 0, count, out, row, col);
                    }
                },
                gate,
                dOut,
                up,
                dGate,
                dUp,
                out == null ? dOut : out);
    }

    /** {@code x · dz/dx}. */
    private static void slopeOfArgument(Kind kind, float[] x, float[] out, int count) {
        switch (kind) {
            case SILU -> System.arraycopy(x, 0, out, 0, count);
            case GELU_TANH -> {
                for (int i = 0; i < count; i += VectorMath.LANES) {
                    FloatVector v = FloatVector.fromArray(SPECIES, x, i);
                    FloatVector slope = v.mul(v).mul(3 * CUBIC).add(1f).mul(2 * SQRT_2_OVER_PI);
                    slope.mul(v).intoArray(out, i);
                }
            }
        }
    }

    /**
     * With {@code s = sigmoid(z)}: {@code gate ← dOut · up · s · (1 + x · dz/dx · (1 − s))} and {@code up ← dOut · x · s}.
     */
    private static void gradients(float[][] buffers, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector d = FloatVector.fromArray(SPECIES, buffers[0], i);
            FloatVector x = FloatVector.fromArray(SPECIES, buffers[1], i);
            FloatVector e = FloatVector.fromArray(SPECIES, buffers[3], i);
            FloatVector s = FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
            FloatVector rest = s.neg().add(1f);
            FloatVector slope = FloatVector.fromArray(SPECIES, buffers[4], i)
                    .mul(rest)
                    .add(1f)
                    .mul(s);
            d.mul(FloatVector.fromArray(SPECIES, buffers[2], i)).mul(slope).intoArray(buffers[1], i);
            d.mul(x.mul(s)).intoArray(buffers[2], i);
        }
    }
}
