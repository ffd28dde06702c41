// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * What a group of linear layers adds to its rows: rows of one micro-batch may have adapters of their own, all of one shape. The
 * frozen weight's product covers all rows at once. So does what is low-rank, if segments are of one length and adapters at a fixed
 * distance from one to the next; otherwise, and where dropout draws masks, it goes segment by segment. So it does where layers of
 * the group differ in rank or scaling.
 *
 * @param segments one after another, covering all rows
 * @param joined the adapters of all segments as one, or null where they can't be
 */
public record LoraSegments(List<Segment> segments, LoraGroup joined) {

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

        private long rows() {
            return to - from;
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

    /** Joined if they can be. */
    public LoraSegments(List<Segment> segments) {
        this(segments, join(segments));
    }

    private static LoraGroup join(List<Segment> segments) {
        long rows = segments.get(0).rows();
        return rows > 0
                        && segments.get(0).lora().even()
                        && segments.stream().allMatch(segment -> segment.rows() == rows)
                ? LoraGroup.stack(segments.stream().map(Segment::lora).toList()).orElse(null)
                : null;
    }

    /** Columns of the low-rank activations. */
    public int width() {
        return segments.get(0).lora().width();
    }

    /** Whether what adapters read is dropped. */
    boolean dropped() {
        return segments.stream().anyMatch(segment -> segment.masks() != null);
    }

    private boolean atOnce() {
        return joined != null && !dropped();
    }

    /** Writes the low-rank activations {@code t} of {@code x}. */
    void project(Pass pass, Tensor x, Tensor t) {
        if (atOnce()) {
            joined.project(pass, x, null, t);
        } else {
            each(x, t, (segment, rows, low) -> segment.lora().project(pass, rows, segment.masks(), low));
        }
    }

    /** {@code y += t·Bᵀ}, after the base's product. */
    void add(Pass pass, Tensor t, Tensor y) {
        each(t, y, (segment, low, rows) -> {
            LoraGroup lora = segment.lora();
            for (int i = 0; i < lora.updates().size(); i++) {
                Update update = lora.updates().get(i);
                Tensor b = update.b().first();
                pass.ops().matmul().multiply(lora.columns(low, i), false, b, true, 1f, 1f, update.output(rows));
            }
        });
    }

    /** {@code dt = scaling · dy·B}, behind the input's columns of {@code dx}, and {@code dB += dyᵀ·t}. */
    void gradientOfB(Pass pass, Tensor dy, Tensor t, Tensor dx) {
        if (joined != null) {
            joined.gradientOfB(pass, dy, t, dx);
        } else {
            each(dy, t, (segment, rows, low) -> segment.lora().gradientOfB(pass, rows, low, segment.of(dx)));
        }
    }

    /** {@code dx += dt·A}, through the dropout. */
    void addInputGradient(Pass pass, Tensor dt, Tensor dx) {
        each(dt, dx, (segment, low, rows) -> {
            if (segment.masks() != null) {
                segment.lora().addDropped(pass, low, segment.masks(), rows);
            } else {
                Tensor a = segment.lora().a().first();
                pass.ops().matmul().multiply(low, false, a, false, 1f, 1f, rows);
            }
        });
    }

    /** Whether biases are trained. */
    boolean biased() {
        return !segments.get(0).lora().biases().isEmpty();
    }

    /** Adds each row's own biases, those of the base where they are not trained. */
    void addBiases(Pass pass, GroupSpec spec, Tensor base, Tensor y) {
        for (Segment segment : segments) {
            Tensor rows = segment.of(y);
            for (int i = 0; i < spec.parts().size(); i++) {
                int from = spec.outStart(i);
                int to = from + spec.parts().get(i).outFeatures();
                Tensor bias = segment.lora().bias(from, base.colRange(from, to));
                pass.ops().elementwise().addBias(rows.colRange(from, to), bias);
            }
        }
    }

    /** Adds to the gradients of biases. */
    void gradientOfBiases(Pass pass, Tensor dy) {
        segments.forEach(segment -> segment.lora().gradientOfBiases(pass, segment.of(dy)));
    }

    /** Whether the layers have magnitudes. */
    boolean decomposed() {
        return segments.get(0).lora().decomposed();
    }

    /** Multiplies the columns of adapted layers by their factors; {@code y} may be {@code x}. */
    void scale(Pass pass, Tensor x, Tensor y) {
        each(x, y, (segment, from, to) -> segment.lora().scale(pass, from, to));
    }

    /** Adds to the gradients of magnitudes, {@code u} being the output before it was scaled. */
    void gradientOfMagnitudes(Pass pass, Tensor dy, Tensor u) {
        each(dy, u, (segment, gradient, output) -> segment.lora().gradientOfMagnitudes(pass, gradient, output));
    }

    /** With dropout and magnitudes, segment by segment. */
    void eachDropped(Pass pass, BaseWeight weight, BiConsumer<DroppedDora, Segment> body) {
        segments.forEach(segment -> body.accept(new DroppedDora(pass, weight, segment), segment));
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, Tensor dt) {
        if (atOnce()) {
            joined.gradientOfA(pass, x, null, dt);
        } else {
            each(x, dt, (segment, rows, low) -> segment.lora().gradientOfA(pass, rows, segment.masks(), low));
        }
    }

    private void each(Tensor first, Tensor second, Body body) {
        for (Segment segment : segments) {
            body.run(segment, segment.of(first), segment.of(second));
        }
    }
}
