// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * What a group of linear layers adds to its rows: rows of one micro-batch may have adapters of their own, all of one shape. The
 * frozen weight's product covers all rows at once; only what is low-rank goes segment by segment.
 *
 * @param segments one after another, covering all rows
 */
public record LoraSegments(List<Segment> segments) {

    /**
     * Rows of one adapter.
     *
     * @param from the first
     * @param to the one after the last
     * @param lora their adapter
     * @param masks dropout, whose rows are counted from {@code from}; null for none
     */
    public record Segment(long from, long to, LoraGroup lora, DropoutMasks masks) {

        Tensor of(Tensor matrix) {
            return matrix.rowRange(from, to);
        }
    }

    /** What to do with a segment and its rows of two matrices. */
    @FunctionalInterface
    private interface Body {
        void run(Segment segment, Tensor first, Tensor second);
    }

    public LoraSegments {
        segments = List.copyOf(segments);
    }

    /** Columns of the low-rank activations. */
    public int width() {
        return segments.get(0).lora().width();
    }

    /** The adapter of all rows, or null where there are several. */
    Segment only() {
        return segments.size() == 1 ? segments.get(0) : null;
    }

    /** Writes the low-rank activations {@code t} of {@code x}. */
    void project(Pass pass, Tensor x, Tensor t) {
        each(x, t, (segment, rows, low) -> segment.lora().project(pass, rows, segment.masks(), low));
    }

    /** {@code y += t·Bᵀ}, after the base's product. */
    void add(Pass pass, Tensor t, Tensor y) {
        each(t, y, (segment, low, rows) -> {
            LoraGroup lora = segment.lora();
            for (int i = 0; i < lora.updates().size(); i++) {
                Update update = lora.updates().get(i);
                pass.ops()
                        .matmul()
                        .multiply(lora.columns(low, i), false, update.b(), true, 1f, 1f, update.output(rows));
            }
        });
    }

    /** {@code dt = scaling · dy·B}, behind the input's columns of {@code dx}, and {@code dB += dyᵀ·t}. */
    void gradientOfB(Pass pass, Tensor dy, Tensor t, Tensor dx) {
        each(dy, t, (segment, rows, low) -> {
            LoraGroup lora = segment.lora();
            pass.ops().loraLinear().backward(rows, null, low, lora.updates(), lora.scaling(), null, segment.of(dx));
        });
    }

    /** {@code dx += dt·A}, through the dropout. */
    void addInputGradient(Pass pass, Tensor dt, Tensor dx) {
        each(dt, dx, (segment, low, rows) -> {
            if (segment.masks() != null) {
                segment.lora().addDropped(pass, low, segment.masks(), rows);
            } else {
                pass.ops().matmul().multiply(low, false, segment.lora().a(), false, 1f, 1f, rows);
            }
        });
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, Tensor dt) {
        each(x, dt, (segment, rows, low) -> segment.lora().gradientOfA(pass, rows, segment.masks(), low));
    }

    private void each(Tensor first, Tensor second, Body body) {
        for (Segment segment : segments) {
            body.run(segment, segment.of(first), segment.of(second));
        }
    }
}
