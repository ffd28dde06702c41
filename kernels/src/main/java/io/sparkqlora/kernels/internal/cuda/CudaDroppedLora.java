// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.DropRate;
import io.sparkqlora.kernels.internal.DroppedChecks;
import java.util.HashMap;
import java.util.Map;

/**
 * Kernels in lora_dropout.cu, which mask what is in registers, up to three layers at once. What they don't take (F32, columns or
 * a rank that are no multiples of 8, a rank above 64) goes another way.
 */
final class CudaDroppedLora implements DroppedLora {

    private static final int LAYERS = 3;
    private static final int SLICE = 16; // of the rank
    private static final int MAX_SLICES = 4; // times layers, of one launch
    private static final int WIDTH = 8; // elements of a load
    private static final int PROJECT_ROWS = 32;
    private static final int PROJECT_COLS = 256;
    private static final int PROJECT_THREADS = 256;
    private static final int GRADIENT_ROWS = 64;
    private static final int GRADIENT_COLS = 64;
    private static final int GRADIENT_THREADS = 128;
    private static final int ADD_ROWS = 16;
    private static final int ADD_COLS = 256;
    private static final int ADD_THREADS = 256;
    private static final int ADD_MAX_STRETCH = 128;
    /** Blocks that a large GPU has room for at once. */
    private static final int PROJECT_BLOCKS = 264;

    private static final int GRADIENT_BLOCKS = 396;
    private static final int ADD_BLOCKS = 1024;
    private static final int MAX_STRETCHES = 12;
    /** Of parts of sums: what the work space has in any case. */
    private static final long MAX_PARTS_BYTES = Workspace.SMALLEST;

    /** What one more stretch costs, for its parts of the sums: as if so much of all blocks' work were added. */
    private static final double STRETCH_COST = 0.01;

    private final Launcher launcher;
    private final CudaKernel.Library library;
    private final Workspace workspace;
    private final DroppedLora otherwise;
    private final Map<String, CudaKernel> kernels = new HashMap<>();

    CudaDroppedLora(Launcher launcher, CudaKernel.Library library, Workspace workspace, DroppedLora otherwise) {
        this.launcher = launcher;
        this.library = library;
        this.workspace = workspace;
        this.otherwise = otherwise;
    }

    /**
     * Layers {@code first} to {@code first + layers} of a call.
     *
     * @param flat A or its gradient
     */
    private record Part(Tensor wide, Tensor narrow, Tensor flat, Masks masks, int first, int layers, int rank) {

        Tensor ownNarrow() {
            return narrow.colRange((long) first * rank, ((long) first + layers) * rank);
        }

        Tensor ownFlat() {
            return flat.rowRange((long) first * rank, ((long) first + layers) * rank);
        }

        int width() {
            return layers * rank;
        }

        int rows() {
            return Math.toIntExact(wide.rows());
        }

        int cols() {
            return Math.toIntExact(wide.cols());
        }

        double flops() {
            return 2.0 * wide.rows() * wide.cols() * width();
        }
    }

    /** How many pieces a kernel's rows or columns are cut into, and their length. */
    private record Cut(int stretch, int stretches) {

        static Cut of(int length, int unit, int wanted) {
            int units = ceil(length, unit);
            int stretch = ceil(units, Math.max(1, Math.min(wanted, units))) * unit;
            return new Cut(stretch, ceil(length, stretch));
        }
    }

    private static int ceil(int value, int divisor) {
        return (value + divisor - 1) / divisor;
    }

    @Override
    public void project(Tensor x, Tensor a, float scaling, Masks masks, Tensor scratch, Tensor t) {
        DroppedChecks.of(x, a, masks, t);
        if (!fits(x, t, a, masks) || a.dtype() != DType.BF16) {
            otherwise.project(x, a, scaling, masks, scratch, t);
            return;
        }
        for (int first = 0; first < masks.streams().size(); ) {
            Part part = part(x, t, a, masks, first);
            project(part, scaling * DropRate.of(masks.p()).factor());
            first += part.layers();
        }
    }

    private void project(Part part, float factor) {
        int groups = ceil(part.rows(), PROJECT_ROWS);
        Cut cut = Cut.of(part.cols(), PROJECT_COLS, PROJECT_BLOCKS / groups);
        long parts = cut.stretches() == 1 ? 0 : workspace.atLeast(4L * cut.stretches() * part.rows() * part.width());
        // four warps' sums of two tiles of rows
        int shared = PROJECT_THREADS / 2 * 2 * slices(part.rank()) * part.layers() * 2 * 4 * Float.BYTES;
        launcher.of(kernel("project", part, shared))
                .work(part.flops(), part.wide().bytes(), part.rows(), part.cols(), part.width());
        problem(part, 0, parts, cut, factor);
        launcher.over(groups, cut.stretches(), 1, PROJECT_THREADS);
        finish("lora_dropout_finish_t", part, parts, cut, factor, (long) part.rows() * part.width(), 2);
    }

    @Override
    public void gradientOfA(Tensor dt, Tensor x, Masks masks, Tensor scratch, Tensor gradA) {
        DroppedChecks.of(x, gradA, masks, dt);
        if (!fits(x, dt, gradA, masks) || gradA.dtype() != DType.F32) {
            otherwise.gradientOfA(dt, x, masks, scratch, gradA);
            return;
        }
        for (int first = 0; first < masks.streams().size(); ) {
            Part part = part(x, dt, gradA, masks, first);
            gradient(part, DropRate.of(masks.p()).factor());
            first += part.layers();
        }
    }

    private void gradient(Part part, float factor) {
        int groups = ceil(part.cols(), GRADIENT_COLS);
        long ofStretch = 4L * part.cols() * part.width();
        Cut cut = Cut.of(part.rows(), GRADIENT_ROWS, stretches(groups, MAX_PARTS_BYTES / ofStretch));
        long parts = cut.stretches() == 1 ? 0 : workspace.atLeast(cut.stretches() * ofStretch);
        // two warps' sums of eight products
        int shared = GRADIENT_THREADS / 2 * slices(part.rank()) * part.layers() * 8 * 4 * Float.BYTES;
        launcher.of(kernel("gradient", part, shared))
                .work(part.flops(), part.wide().bytes(), part.rows(), part.cols(), part.width());
        problem(part, part.ownFlat().address(), parts, cut, factor);
        launcher.over(groups, cut.stretches(), 1, GRADIENT_THREADS);
        finish("lora_dropout_finish_a", part, parts, cut, factor, (long) part.cols() * part.width(), 4);
    }

    /** So that the last blocks leave little of the chip idle. */
    private static int stretches(int groups, long room) {
        int best = 1;
        double least = Double.POSITIVE_INFINITY;
        for (int n = 1; n <= Math.min(MAX_STRETCHES, room); n++) {
            double cost = (double) ceil(groups * n, GRADIENT_BLOCKS) / n + STRETCH_COST * n;
            if (cost < least) {
                least = cost;
                best = n;
            }
        }
        return best;
    }

    @Override
    public void addDropped(Tensor dt, Tensor a, Masks masks, Tensor scratch, Tensor dx) {
        DroppedChecks.of(dx, a, masks, dt);
        if (!fits(dx, dt, a, masks) || a.dtype() != DType.BF16) {
            otherwise.addDropped(dt, a, masks, scratch, dx);
            return;
        }
        for (int first = 0; first < masks.streams().size(); ) {
            Part part = part(dx, dt, a, masks, first);
            int groups = ceil(part.cols(), ADD_COLS);
            int wanted = Math.max(ADD_BLOCKS / groups, ceil(part.rows(), ADD_MAX_STRETCH));
            Cut cut = Cut.of(part.rows(), ADD_ROWS, wanted);
            launcher.of(kernel("add", part, 0))
                    .work(part.flops(), 2.0 * dx.bytes(), part.rows(), part.cols(), part.width());
            problem(part, 0, 0, cut, DropRate.of(masks.p()).factor());
            launcher.over(groups, cut.stretches(), 1, ADD_THREADS);
            first += part.layers();
        }
    }

    private static boolean fits(Tensor wide, Tensor narrow, Tensor flat, Masks masks) {
        long rank = narrow.cols() / masks.streams().size();
        return wide.dtype() == DType.BF16
                && narrow.dtype() == DType.BF16
                && wide.cols() % WIDTH == 0
                && rank % WIDTH == 0
                && rank <= SLICE * MAX_SLICES
                && wide.rows() * (wide.cols() / WIDTH) < 1L << 32
                && Rectangle.aligned(wide)
                && Rectangle.aligned(narrow)
                && Rectangle.aligned(flat);
    }

    /** As many layers from {@code first} on as one launch takes. */
    private static Part part(Tensor wide, Tensor narrow, Tensor flat, Masks masks, int first) {
        int rank = Math.toIntExact(narrow.cols() / masks.streams().size());
        int room = Math.min(LAYERS, MAX_SLICES / slices(rank));
        return new Part(
                wide, narrow, flat, masks, first, Math.min(room, masks.streams().size() - first), rank);
    }

    /** 1, 2 or 4. */
    private static int slices(int rank) {
        return rank <= SLICE ? 1 : rank <= 2 * SLICE ? 2 : MAX_SLICES;
    }

    private CudaKernel kernel(String operation, Part part, int shared) {
        String name = "lora_dropout_" + operation + "_" + part.layers() + "_" + slices(part.rank());
        return kernels.computeIfAbsent(name, n -> library.kernel("lora_dropout", n, shared));
    }

    private void finish(String name, Part part, long parts, Cut cut, float factor, long items, int perThread) {
        if (cut.stretches() > 1) {
            launcher.of(kernels.computeIfAbsent(name, n -> library.kernel("lora_dropout", n)))
                    .work(0, 4.0 * (cut.stretches() + 1) * items, part.rows(), part.cols(), part.width());
            problem(part, part.ownFlat().address(), parts, cut, factor);
            launcher.number(part.width()).overItems(items, perThread);
        }
    }

    /** @param gradA where its own rows are, or 0 */
    private void problem(Part part, long gradA, long parts, Cut cut, float factor) {
        Tensor narrow = part.ownNarrow();
        Tensor flat = part.ownFlat();
        Masks masks = part.masks();
        launcher.structure()
                .address(part.wide())
                .address(narrow)
                .address(flat)
                .address(gradA)
                .address(parts);
        launcher.number(part.wide().rowStride())
                .number(narrow.rowStride())
                .number(flat.rowStride())
                .number(flat.rowStride());
        launcher.address(masks.streamBase()).number(masks.seed());
        for (int i = 0; i < LAYERS; i++) {
            launcher.number(i < part.layers() ? (long) masks.streams().get(part.first() + i) : 0L);
        }
        launcher.number(part.rows())
                .number(part.cols())
                .number(part.rank())
                .number(cut.stretch())
                .number(cut.stretches())
                .number(CudaDropout.thresholds(DropRate.of(masks.p())))
                .number(factor)
                .end();
    }
}
