// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Tensor;
import jdk.incubator.vector.FloatVector;

/** One row of logits on its way through softmax cross-entropy; reused from row to row by one thread. */
final class SoftmaxRow {

    private static final int PART = 2048;

    private final float[] values;
    private final float[] capped;
    private final int vocabulary;
    private final float softCap;
    private final double smoothing;
    private double sum;

    SoftmaxRow(float[][] buffers, int vocabulary, float softCap, float smoothing) {
        this.values = buffers[0];
        this.capped = buffers[1];
        this.vocabulary = vocabulary;
        this.softCap = softCap;
        this.smoothing = smoothing;
    }

    /** Loads the row, leaves its exponentials in {@code values}, and gives the loss. */
    float loss(Tensor logits, long row, int label) {
        Rows.load(logits, row, 0, vocabulary, values, 0);
        if (softCap > 0f) {
            cap();
        }
        float max = Sums.max(values, vocabulary);
        double margin = max - target(label);
        sum = 0;
        for (int at = 0; at < vocabulary; at += PART) {
            int count = Math.min(PART, vocabulary - at);
            VectorMath.expOfDifference(values, at, max, values, at, count);
            sum += Sums.sum(values, at, count);
        }
        return (float) (VectorMath.log((float) sum) + margin);
    }

    /** The logit that the label's distribution expects. */
    private double target(int label) {
        if (smoothing == 0) {
            return values[label];
        }
        double total = 0;
        for (int at = 0; at < vocabulary; at += PART) {
            total += Sums.sum(values, at, Math.min(PART, vocabulary - at));
        }
        return values[label] + smoothing * (total / vocabulary - values[label]);
    }

    private void cap() {
        for (int i = 0; i < vocabulary; i += VectorMath.LANES) {
            VectorMath.load(values, i).div(softCap).intoArray(values, i);
        }
        VectorMath.tanh(values, 0, capped, 0, vocabulary);
        for (int i = 0; i < vocabulary; i += VectorMath.LANES) {
            VectorMath.load(capped, i).mul(softCap).intoArray(values, i);
        }
    }

    /** {@code scale · (softmax − the label's distribution)}, times {@code 1 − tanh²} under a cap. */
    void storeGradient(int label, float scale, Tensor logits, long row) {
        float factor = (float) (scale / sum);
        float atLabel = (float) (scale * (values[label] / sum - (1 - smoothing) - smoothing / vocabulary));
        for (int i = 0; i < vocabulary; i += VectorMath.LANES) {
            VectorMath.load(values, i).mul(factor).intoArray(values, i);
        }
        if (smoothing > 0) {
            subtract((float) (scale * smoothing / vocabulary));
        }
        values[label] = atLabel;
        if (softCap > 0f) {
            uncap();
        }
        Rows.store(values, 0, vocabulary, logits, row, 0);
    }

    private void subtract(float elsewhere) {
        for (int i = 0; i < vocabulary; i += VectorMath.LANES) {
            VectorMath.load(values, i).sub(elsewhere).intoArray(values, i);
        }
    }

    private void uncap() {
        for (int i = 0; i < vocabulary; i += VectorMath.LANES) {
            FloatVector t = VectorMath.load(capped, i);
            VectorMath.load(values, i).mul(t.mul(t).neg().add(1f)).intoArray(values, i);
        }
    }
}
