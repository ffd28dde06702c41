// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.CrossEntropy;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/**
 * Softmax cross-entropy, a row at a time. The row is staged in F32 (192 KiB for a vocabulary of 49,152, so it stays in the
 * second-level cache): one pass for the largest logit, one for the exponentials and their sum, one for the gradient. Memory
 * sees each logit once on the way in and, with a gradient, once on the way out.
 */
final class CpuCrossEntropy implements CrossEntropy {

    private final Workers workers;

    CpuCrossEntropy(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void forward(Tensor logits, Tensor labels, float softCap, Tensor losses) {
        run(logits, labels, softCap, 0f, Float.NaN, null, losses, false);
    }

    @Override
    public void forwardBackward(
            Tensor logits,
            Tensor labels,
            float softCap,
            float labelSmoothing,
            float gradientScale,
            Tensor rowScales,
            Tensor losses) {
        run(logits, labels, softCap, labelSmoothing, gradientScale, rowScales, losses, true);
    }

    private void run(
            Tensor logits,
            Tensor labels,
            float softCap,
            float labelSmoothing,
            float gradientScale,
            Tensor rowScales,
            Tensor losses,
            boolean withGradient) {
        Checks.vector(labels, DType.I32, logits.rows());
        Checks.vector(losses, DType.F32, logits.rows());
        if (rowScales != null) {
            Checks.vector(rowScales, DType.F32, logits.rows());
        }
        int vocabulary = Math.toIntExact(logits.cols());
        workers.forRange(logits.rows(), Elements.grain(vocabulary), (from, to) -> {
            SoftmaxRow softmax = new SoftmaxRow(Elements.buffers(vocabulary), vocabulary, softCap, labelSmoothing);
            for (long row = from; row < to; row++) {
                int label = label(labels, row, vocabulary);
                float loss = label == IGNORE_INDEX ? 0f : softmax.loss(logits, row, label);
                Native.putFloat(losses.address() + 4 * row, loss);
                if (withGradient && label == IGNORE_INDEX) {
                    Native.fill(
                            logits.address(row),
                            (long) vocabulary * logits.dtype().bytes(),
                            (byte) 0);
                } else if (withGradient) {
                    softmax.storeGradient(label, gradientScale * scale(rowScales, row), logits, row);
                }
            }
        });
    }

    private static float scale(Tensor rowScales, long row) {
        return rowScales == null ? 1f : Native.getFloat(rowScales.address() + 4 * row);
    }

    private static int label(Tensor labels, long row, int vocabulary) {
        int label = Native.getInt(labels.address() + 4 * row);
        if (label != IGNORE_INDEX && (label < 0 || label >= vocabulary)) {
            throw new IllegalArgumentException("the label of row " + row + " is " + label + ", neither " + IGNORE_INDEX
                    + " nor one of 0 to " + (vocabulary - 1));
        }
        return label;
    }
}
