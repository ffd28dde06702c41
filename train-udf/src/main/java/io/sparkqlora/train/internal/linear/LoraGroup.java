// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The adapters of a group of linear layers. Their {@code A}s lie one under the other, so that without dropout (which each
 * layer draws for itself) one product serves all of them. Rows that are runs of equal length may have an adapter each, whose
 * matrices are stacks then.
 *
 * <p>Layers of one rank and one scaling, which are neighbours, go through an operation together. Where all are of one, the group
 * is even, and the operations that have its low-rank part beside the frozen weight's product are for it.
 *
 * @param inFeatures columns of the input
 * @param scalings the layers' factors on their low-rank products
 * @param a [sum of ranks, inFeatures] of each adapter, in the type of the pass
 * @param gradA F32, same shapes
 * @param updates one for each layer that has an adapter; {@code b} in the type of the pass
 * @param ordinals those layers' numbers, for their random streams
 * @param magnitudes DoRA's, one for each update; none without
 * @param biases that are trained
 */
public record LoraGroup(
        int inFeatures,
        List<Float> scalings,
        TensorStack a,
        TensorStack gradA,
        List<Update> updates,
        List<Integer> ordinals,
        List<Magnitude> magnitudes,
        List<TrainedBias> biases) {

    /**
     * DoRA's part of a layer, F32 vectors [outFeatures].
     *
     * @param norms of the rows of {@code W + scaling · B·A}
     * @param factors magnitude by norm, which the layer's output is multiplied by
     * @param gradient of the magnitude
     */
    public record Magnitude(Tensor norms, Tensor factors, Tensor gradient) {}

    /**
     * The bias of a layer, in place of the base's.
     *
     * @param from the layer's first column in the output
     * @param value F32 vector [outFeatures]
     * @param gradient likewise
     */
    public record TrainedBias(int from, Tensor value, Tensor gradient) {

        /** The layer's own columns of {@code y}. */
        Tensor output(Tensor y) {
            return y.colRange(from, from + value.cols());
        }
    }

    /** Of the pieces that backends without kernels for dropout take: in a processor's caches, and enough for a product. */
    private static final long SCRATCH_ROWS = 256;

    /**
     * Layers that go through an operation together.
     *
     * @param group their adapters
     * @param from their first column of the low-rank activations
     */
    record Piece(LoraGroup group, int from) {

        /** Their columns of low-rank activations. */
        Tensor of(Tensor lowRank) {
            return lowRank.colRange(from, from + group.width());
        }
    }

    public LoraGroup {
        scalings = List.copyOf(scalings);
        updates = List.copyOf(updates);
        ordinals = List.copyOf(ordinals);
        magnitudes = List.copyOf(magnitudes);
        biases = List.copyOf(biases);
    }

    /** Whether the lengths of the weights' rows are apart from their directions. */
    public boolean decomposed() {
        return !magnitudes.isEmpty();
    }

    /** These adapters' as one, if their matrices lie at a fixed distance from one adapter to the next. */
    static Optional<LoraGroup> stack(List<LoraGroup> groups) {
        LoraGroup first = groups.get(0);
        Optional<TensorStack> a = stack(groups, group -> group.a);
        Optional<TensorStack> gradA = stack(groups, group -> group.gradA);
        List<Update> updates = new ArrayList<>();
        for (int i = 0; i < first.updates.size(); i++) {
            int update = i;
            Optional<TensorStack> b =
                    stack(groups, group -> group.updates.get(update).b());
            Optional<TensorStack> gradB =
                    stack(groups, group -> group.updates.get(update).gradB());
            if (b.isPresent() && gradB.isPresent()) {
                updates.add(new Update(first.updates.get(i).from(), b.get(), gradB.get()));
            }
        }
        return a.isPresent() && gradA.isPresent() && updates.size() == first.updates.size()
                ? Optional.of(new LoraGroup(
                        first.inFeatures,
                        first.scalings,
                        a.get(),
                        gradA.get(),
                        updates,
                        first.ordinals,
                        first.magnitudes,
                        first.biases))
                : Optional.empty();
    }

    private static Optional<TensorStack> stack(List<LoraGroup> groups, Function<LoraGroup, TensorStack> matrix) {
        return TensorStack.of(
                groups.stream().map(group -> matrix.apply(group).first()).toList());
    }

    /** The bias of the layer whose first output column is {@code from}, or {@code base} where that is not trained. */
    Tensor bias(int from, Tensor base) {
        return biases.stream()
                .filter(bias -> bias.from() == from)
                .map(TrainedBias::value)
                .findFirst()
                .orElse(base);
    }

    /** Adds to the gradients of the biases. */
    void gradientOfBiases(Pass pass, Tensor dy) {
        for (TrainedBias bias : biases) {
            pass.ops().elementwise().addColumnSums(bias.output(dy), bias.gradient());
        }
    }

    /** Multiplies the columns of its layers by their factors; {@code y} may be {@code x}. */
    void scale(Pass pass, Tensor x, Tensor y) {
        for (int i = 0; i < magnitudes.size(); i++) {
            Update update = updates.get(i);
            pass.ops()
                    .weightNorm()
                    .scaleColumns(update.output(x), magnitudes.get(i).factors(), 0f, false, update.output(y));
        }
    }

    /** Adds to the gradients of the magnitudes what {@code u} gives, the output before it was scaled. */
    void gradientOfMagnitudes(Pass pass, Tensor dy, Tensor u) {
        for (int i = 0; i < magnitudes.size(); i++) {
            Update update = updates.get(i);
            Magnitude magnitude = magnitudes.get(i);
            pass.ops()
                    .weightNorm()
                    .gradient(update.output(dy), update.output(u), magnitude.norms(), magnitude.gradient());
        }
    }

    /** Adapters, and so runs of rows. */
    public int runs() {
        return a.count();
    }

    /** Columns of the low-rank activations: the sum of the ranks. */
    public int width() {
        return Math.toIntExact(a.rows());
    }

    /** The factor on the low-rank products of an even group. */
    public float scaling() {
        return scalings.get(0);
    }

    /** Whether all layers have one rank and one scaling. */
    boolean even() {
        return end(0) == updates.size();
    }

    /** The layers in runs of one rank and one scaling. */
    List<Piece> pieces() {
        List<Piece> pieces = new ArrayList<>();
        int column = 0;
        for (int first = 0; first < updates.size(); first = end(first)) {
            Piece piece = new Piece(piece(first, end(first), column), column);
            pieces.add(piece);
            column += piece.group().width();
        }
        return pieces;
    }

    /** The layer after the last of the run that begins with layer {@code first}. */
    private int end(int first) {
        int end = first + 1;
        while (end < updates.size()
                && rank(end) == rank(first)
                && scalings.get(end).equals(scalings.get(first))) {
            end++;
        }
        return end;
    }

    private long rank(int layer) {
        return updates.get(layer).b().cols();
    }

    private LoraGroup piece(int first, int end, int row) {
        long rows = (end - first) * rank(first);
        return new LoraGroup(
                inFeatures,
                scalings.subList(first, end),
                rows(a, row, rows),
                rows(gradA, row, rows),
                updates.subList(first, end),
                ordinals.subList(first, end),
                List.of(),
                List.of());
    }

    private static TensorStack rows(TensorStack stack, int from, long count) {
        return new TensorStack(stack.first().rowRange(from, from + count), stack.count(), stack.distance());
    }

    /** The columns of low-rank activations that are update {@code i}'s. */
    Tensor columns(Tensor lowRank, int i) {
        long from = 0;
        for (int before = 0; before < i; before++) {
            from += rank(before);
        }
        return lowRank.colRange(from, from + rank(i));
    }

    /**
     * Writes {@code t = scaling · drop(x)·Aᵀ}. Dropout is for one adapter alone.
     *
     * @param x [rows, inFeatures]
     * @param t [rows, width]
     */
    void project(Pass pass, Tensor x, DropoutMasks masks, Tensor t) {
        for (Piece piece : pieces()) {
            piece.group().projectEvenly(pass, x, masks, piece.of(t));
        }
    }

    private void projectEvenly(Pass pass, Tensor x, DropoutMasks masks, Tensor t) {
        if (masks == null) {
            pass.ops().matmul().multiply(runs(x), false, a, true, scaling(), 0f, runs(t));
            return;
        }
        withScratch(pass, x, scratch -> pass.ops()
                .droppedLora()
                .project(x, a.first(), scaling(), masks.of(ordinals), scratch, t));
    }

    /** With dropout: {@code dx += drop'(dt·A)}. */
    void addDropped(Pass pass, Tensor dt, DropoutMasks masks, Tensor dx) {
        for (Piece piece : pieces()) {
            Tensor own = piece.of(dt);
            DroppedLora.Masks ownMasks = masks.of(piece.group().ordinals);
            Tensor ownA = piece.group().a.first();
            withScratch(pass, dx, scratch -> pass.ops().droppedLora().addDropped(own, ownA, ownMasks, scratch, dx));
        }
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, DropoutMasks masks, Tensor dt) {
        if (masks == null) {
            pass.ops().matmul().multiply(runs(dt), true, runs(x), false, 1f, 1f, gradA);
            return;
        }
        for (Piece piece : pieces()) {
            Tensor own = piece.of(dt);
            DroppedLora.Masks ownMasks = masks.of(piece.group().ordinals);
            Tensor ownGradient = piece.group().gradA.first();
            withScratch(
                    pass, x, scratch -> pass.ops().droppedLora().gradientOfA(own, x, ownMasks, scratch, ownGradient));
        }
    }

    /** {@code dt = scaling · dy·B}, behind the input's columns of {@code dx}, and {@code dB += dyᵀ·t}. */
    void gradientOfB(Pass pass, Tensor dy, Tensor t, Tensor dx) {
        for (Piece piece : pieces()) {
            LoraGroup group = piece.group();
            Tensor room = dx.colRange(0, inFeatures + piece.from() + group.width());
            pass.ops().loraLinear().backward(dy, null, piece.of(t), group.updates, group.scaling(), null, room);
        }
    }

    private TensorStack runs(Tensor rows) {
        return TensorStack.runs(rows, runs());
    }

    private void withScratch(Pass pass, Tensor wide, Consumer<Tensor> body) {
        long mark = pass.arena().mark();
        body.accept(pass.matrix(Math.min(SCRATCH_ROWS, wide.rows()), inFeatures));
        pass.arena().release(mark);
    }
}
