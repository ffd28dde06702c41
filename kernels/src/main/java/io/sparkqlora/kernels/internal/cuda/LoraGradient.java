// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/** Kernels in lora_gradient.cu: what backward makes of the output's gradient for the low-rank updates, reading it once. */
final class LoraGradient {

    private static final int LAYERS = 3;
    private static final int GROUP = 512; // columns of a block
    private static final int STEP = 16; // rows
    private static final int STAGES = 4;
    private static final int WARPS = 8;
    private static final int THREADS = 32 * WARPS;
    private static final int SLICE = 16; // of the rank
    /** Each slice of the rank reads the gradient; beyond this other kernels are as fast. */
    private static final int MAX_RANK = 32;

    /** As the kernel lays it out: a ring of stages of dy and t, two buffers of the warps' shares of dt. */
    private static final int SHARED_BYTES =
            STAGES * STEP * (GROUP + SLICE) * 2 + 2 * WARPS * STEP * (SLICE + 8) * Float.BYTES;

    private static final int BLOCKS_AT_ONCE = 2; // on a multiprocessor
    /** Groups of columns from which there are two waves of blocks, for as long as a block keeps so many rows. */
    private static final int MANY_GROUPS = 32;

    private static final int LONG_STRETCH = 512;
    /** Of runs with few groups: many make up for them, so this is for the work space's sake no shorter. */
    private static final int SHORT_STRETCH = 256;

    private static final int FEW_STRETCHES = 4;
    /** The most that a Hopper has. */
    private static final int MULTIPROCESSORS = 132;

    private final int multiprocessors;
    private final Launcher launcher;
    private final Workspace workspace;
    private final Map<DType, Kernels> kernels;

    private record Kernels(CudaKernel gradient, CudaKernel finish) {

        static Kernels of(CudaKernel.Library library, DType dtype) {
            String file = Variants.file("lora_gradient", dtype);
            return new Kernels(
                    library.kernel(file, "lora_gradient", SHARED_BYTES), library.kernel(file, "lora_gradient_finish"));
        }
    }

    LoraGradient(int multiprocessors, Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.workspace = workspace;
        this.kernels = Map.of(DType.BF16, Kernels.of(library, DType.BF16), DType.F16, Kernels.of(library, DType.F16));
    }

    /** How the work is cut: a function of the shapes and the chip. */
    private record Cut(int slices, int[] first, int stretch, int stretches) {
        int groups() {
            return first[first.length - 1];
        }

        /** Of dt's parts. */
        long dtBytes(long rows) {
            return groups() * rows * slices * SLICE * Float.BYTES;
        }

        /** Of dB's parts, one run's. */
        long dbBytes() {
            return (long) stretches * groups() * GROUP * slices * SLICE * Float.BYTES;
        }

        long bytes(long rows) {
            return dtBytes(rows) + dbBytes();
        }
    }

    /** The most that updates of so many outputs keep in the work space, of as many rows or fewer, on any Hopper. */
    static long scratchBytes(long rows, long outputs, long rank) {
        if (rank % 8 != 0 || rank > MAX_RANK) {
            return 0;
        }
        long slices = (rank + SLICE - 1) / SLICE;
        long columns = (outputs / GROUP + LAYERS) * slices;
        int blocks = BLOCKS_AT_ONCE * MULTIPROCESSORS;
        boolean twice = columns >= MANY_GROUPS
                && stretch(Math.toIntExact(rows), Math.toIntExact(columns), 2 * blocks) >= LONG_STRETCH;
        long parts = Math.max(columns, twice ? 2L * blocks : blocks);
        return (columns * rows + parts * GROUP) * SLICE * Float.BYTES;
    }

    boolean fits(Tensor dy, Tensor t, List<Update> updates) {
        long rank = updates.get(0).b().cols();
        return updates.size() <= LAYERS
                && rank % 8 == 0
                && rank <= MAX_RANK
                && aligned(dy)
                && aligned(t)
                && updates.stream().allMatch(u -> u.from() % 8 == 0 && u.b().rows() % 8 == 0);
    }

    private static boolean aligned(Tensor tensor) {
        return TensorMaps.narrow(tensor.dtype()) && Rectangle.aligned(tensor);
    }

    /** {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t}; runs of rows in as few launches as the work space lets be. */
    void run(Tensor dy, Tensor t, List<Update> updates, float scaling, Tensor dt) {
        check(dy, t, updates, dt);
        int runs = updates.get(0).runs();
        int rows = Math.toIntExact(dy.rows() / runs);
        Cut cut = runs == 1 ? cut(rows, updates) : cutOfRun(rows, updates);
        long most = Math.max(1, Math.max(workspace.room(), Workspace.SMALLEST) / cut.bytes(rows));
        long launches = runs == 1 ? 1 : (runs + most - 1) / most;
        int together = Math.toIntExact((runs + launches - 1) / launches);
        for (int from = 0; from < runs; from += together) {
            int to = Math.min(runs, from + together);
            run(
                    new Call(
                            of(dy, from, to, rows),
                            of(t, from, to, rows),
                            updates,
                            of(dt, from, to, rows),
                            from,
                            to,
                            cut),
                    scaling);
        }
    }

    private static Tensor of(Tensor matrix, int from, int to, int rows) {
        return matrix.rowRange((long) from * rows, (long) to * rows);
    }

    /** Runs {@code from} to {@code to}: their rows, and the updates of all. */
    private record Call(Tensor dy, Tensor t, List<Update> updates, Tensor dt, int from, int to, Cut cut) {

        int runs() {
            return to - from;
        }

        long outputs() {
            return updates.stream().mapToLong(u -> u.b().rows()).sum();
        }

        int rank() {
            return Math.toIntExact(updates.get(0).b().cols());
        }
    }

    private void run(Call call, float scaling) {
        Cut cut = call.cut();
        long rows = call.dy().rows();
        long outputs = call.outputs();
        int rank = call.rank();
        long dtBytes = cut.dtBytes(rows);
        long bytes = dtBytes + call.runs() * cut.dbBytes();
        long parts = workspace.atLeast(bytes);
        Kernels ofType = kernels.get(call.dy().dtype());
        launcher.of(ofType.gradient()).work(4.0 * rows * outputs * rank, 2.0 * rows * outputs, rows, outputs, rank);
        problem(call, scaling, parts, parts + dtBytes);
        launcher.over((long) cut.groups() * cut.slices(), (long) cut.stretches() * call.runs(), 1, THREADS);
        long quads = (rows * call.updates().size() + (long) call.runs() * cut.groups() * GROUP) * rank / 4;
        launcher.of(ofType.finish()).work(0, bytes + 8.0 * call.runs() * outputs * rank, rows, outputs, rank);
        problem(call, scaling, parts, parts + dtBytes);
        launcher.overItems(quads, 1);
    }

    private static void check(Tensor dy, Tensor t, List<Update> updates, Tensor dt) {
        long rank = updates.get(0).b().cols();
        Checks.shape(t, dy.rows(), updates.size() * rank);
        Checks.shape(dt, dy.rows(), updates.size() * rank);
        for (Update update : updates) {
            Checks.shape(update.gradB().first(), update.b().rows(), rank);
            Checks.alike(update.output(dy));
        }
    }

    private static int[] first(List<Update> updates) {
        int[] first = new int[updates.size() + 1];
        for (int i = 0; i < updates.size(); i++) {
            first[i + 1] = first[i] + Math.toIntExact((updates.get(i).b().rows() + GROUP - 1) / GROUP);
        }
        return first;
    }

    private static int slices(List<Update> updates) {
        return Math.toIntExact((updates.get(0).b().cols() + SLICE - 1) / SLICE);
    }

    /** One of many runs: a function of its own shape. */
    private static Cut cutOfRun(int rows, List<Update> updates) {
        int[] first = first(updates);
        int slices = slices(updates);
        boolean many = first[updates.size()] * slices >= MANY_GROUPS;
        int stretch = many ? LONG_STRETCH : Math.max(SHORT_STRETCH, stretch(rows, 1, FEW_STRETCHES));
        return new Cut(slices, first, stretch, (rows + stretch - 1) / stretch);
    }

    private Cut cut(int rows, List<Update> updates) {
        int[] first = first(updates);
        int slices = slices(updates);
        int columns = first[updates.size()] * slices;
        int blocks = BLOCKS_AT_ONCE * multiprocessors;
        int stretch = stretch(rows, columns, columns >= MANY_GROUPS ? 2 * blocks : blocks);
        if (columns >= MANY_GROUPS && stretch < LONG_STRETCH) {
            stretch = stretch(rows, columns, blocks);
        }
        return new Cut(slices, first, stretch, (rows + stretch - 1) / stretch);
    }

    /** Rows of a block so that there are about so many blocks. */
    private static int stretch(int rows, int groups, int blocks) {
        int stretches = Math.max(1, blocks / groups);
        return (rows + stretches * STEP - 1) / (stretches * STEP) * STEP;
    }

    private void problem(Call call, float scaling, long dtParts, long dbParts) {
        Tensor dy = call.dy();
        Tensor t = call.t();
        Tensor dt = call.dt();
        List<Update> updates = call.updates();
        Cut cut = call.cut();
        launcher.structure().address(dy).address(t).address(dt);
        launcher.number(dy.rowStride()).number(t.rowStride()).number(dt.rowStride());
        launcher.address(dtParts).address(dbParts);
        longs(updates, u -> u.b().get(call.from()).address());
        longs(updates, u -> u.gradB().get(call.from()).address());
        longs(updates, u -> u.b().first().rowStride());
        longs(updates, u -> u.gradB().first().rowStride());
        for (int i = 0; i < LAYERS; i++) {
            launcher.number(i < updates.size() ? updates.get(i).from() : 0);
        }
        for (int i = 0; i < LAYERS; i++) {
            launcher.number(
                    i < updates.size() ? Math.toIntExact(updates.get(i).b().rows()) : 0);
        }
        for (int i = 0; i <= LAYERS; i++) {
            launcher.number(cut.first()[Math.min(i, updates.size())]);
        }
        launcher.number(updates.size())
                .number(Math.toIntExact(dy.rows()))
                .number(call.rank())
                .number(cut.stretch())
                .number(cut.stretches())
                .number(scaling)
                .number(Math.toIntExact(dy.rows() / call.runs()));
        longs(updates, u -> u.b().distance());
        longs(updates, u -> u.gradB().distance());
        launcher.end();
    }

    private void longs(List<Update> updates, ToLongFunction<Update> field) {
        for (int i = 0; i < LAYERS; i++) {
            launcher.number(i < updates.size() ? field.applyAsLong(updates.get(i)) : 0L);
        }
    }
}
