// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.HashMap;
import java.util.Map;

/** Products by matmul.cu: bf16 in, any shape, any layout. */
final class GeneralMatmul {

    /** Waves of blocks that a split of k aims at: enough to keep the memory busy. */
    private static final int WAVES = 2;
    /** Fewest steps of a split: less is not worth the second kernel. */
    private static final int LEAST_STEPS = 4;

    private static final int MAX_SPLITS = 64;
    private static final long MAX_PARTS_BYTES = Workspace.SMALLEST;
    private static final int NARROW = 32;
    /** The adapters of several layers side by side take tiles of this width where the other side is long. */
    private static final int WIDER = 64;

    private static final int LONG = 2048;

    /** A size of tile. */
    private record Size(int rows, int cols, int depth, int threads, int stages) {
        int sharedBytes() {
            return stages * (rows + cols) * depth * 2;
        }

        String kernel(Product p) {
            return "matmul_" + (p.transposeA() ? 't' : 'n') + (p.transposeB() ? 't' : 'n') + "_" + rows + "_" + cols;
        }
    }

    private static final Size WHOLE = new Size(128, 128, 32, 128, 4);
    private static final Size SMALL = new Size(64, 64, 64, 128, 4);
    private static final Size TALL = new Size(128, NARROW, 64, 128, 4);
    private static final Size FLAT = new Size(NARROW, 128, 64, 128, 4);
    private static final Size TALL_WIDER = new Size(128, WIDER, 64, 128, 4);
    private static final Size FLAT_HIGHER = new Size(WIDER, 128, 64, 128, 4);

    private final int multiprocessors;
    private final Launcher launcher;
    private final CudaKernel.Library library;
    private final Workspace workspace;
    private final CudaKernel addParts;
    private final Map<String, CudaKernel> kernels = new HashMap<>();

    GeneralMatmul(int multiprocessors, Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.library = library;
        this.workspace = workspace;
        this.addParts = library.kernel("matmul", "matmul_add_parts");
    }

    void run(Product p) {
        Size size = size(p);
        int steps = (p.k() + size.depth() - 1) / size.depth();
        int perSplit = (steps + splits(p, size, steps) - 1) / splits(p, size, steps);
        int splits = (steps + perSplit - 1) / perSplit;
        long parts = splits == 1 ? 0 : workspace.atLeast((long) splits * p.m() * p.n() * Float.BYTES);
        launcher.of(kernels.computeIfAbsent(size.kernel(p), name -> library.kernel("matmul", name, size.sharedBytes())))
                .work(p.flops(), p.bytes() + 4.0 * (splits == 1 ? 0 : splits) * p.m() * p.n(), p.m(), p.n(), p.k());
        problem(p, parts, perSplit * size.depth());
        launcher.over(tiles(p.n(), size.cols()), tiles(p.m(), size.rows()), splits, size.threads());
        if (splits > 1) {
            launcher.of(addParts).work(0, 4.0 * splits * p.m() * p.n() + p.c().bytes(), p.m(), p.n(), splits);
            problem(p, parts, perSplit * size.depth());
            launcher.number(splits).overItems((long) p.m() * p.n(), 1);
        }
    }

    private static Size size(Product p) {
        if (p.n() <= NARROW && !(p.transposeA() && p.transposeB())) {
            return TALL;
        }
        if (p.m() <= NARROW && p.transposeA() && !p.transposeB()) {
            return FLAT;
        }
        if (p.n() <= WIDER && p.m() >= LONG && !p.transposeA() && p.transposeB()) {
            return TALL_WIDER;
        }
        if (p.m() <= 2 * WIDER && p.n() >= LONG && p.transposeA() && !p.transposeB()) {
            return FLAT_HIGHER;
        }
        return Math.min(p.m(), p.n()) <= WIDER ? SMALL : WHOLE;
    }

    private int splits(Product p, Size size, int steps) {
        long blocks = tiles(p.m(), size.rows()) * tiles(p.n(), size.cols());
        long wanted = (long) WAVES * multiprocessors / blocks;
        long room = MAX_PARTS_BYTES / ((long) p.m() * p.n() * Float.BYTES);
        return (int) Math.max(1, Math.min(Math.min(wanted, room), Math.min(MAX_SPLITS, steps / LEAST_STEPS)));
    }

    private void problem(Product p, long parts, int depth) {
        launcher.structure()
                .address(p.a())
                .address(p.b())
                .address(p.c())
                .address(parts)
                .number(p.a().rowStride())
                .number(p.b().rowStride())
                .number(p.c().rowStride())
                .number(p.m())
                .number(p.n())
                .number(p.k())
                .number(depth)
                .flag(p.c().dtype() == DType.BF16)
                .flag(aligned(p.a()))
                .flag(aligned(p.b()))
                .number(p.alpha())
                .number(p.beta())
                .end();
    }

    private static boolean aligned(Tensor tensor) {
        return tensor.address() % 16 == 0 && tensor.rowStride() % 8 == 0;
    }

    private static long tiles(int size, int tile) {
        return (size + tile - 1L) / tile;
    }
}
