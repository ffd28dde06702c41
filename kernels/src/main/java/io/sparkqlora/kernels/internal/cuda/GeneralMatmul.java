// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.HashMap;
import java.util.Map;

/** Products by matmul.cu: bf16 or f16 in, any shape, any layout. */
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
    /** Of a split where there are many products. */
    private static final int DEPTH_OF_MANY = 512;

    private static final int ALIGNMENT = 8; // elements
    private static final int ADD_THREADS = 256;
    private static final int MAX_GRID = 65535;

    /** A size of tile. */
    private record Size(int rows, int cols, int depth, int threads, int stages) {
        int sharedBytes() {
            return stages * (rows + cols) * depth * 2;
        }

        String kernel(Product p, int count) {
            String layout = (p.transposeA() ? "t" : "n") + (p.transposeB() ? "t" : "n");
            return "matmul_" + layout + "_" + rows + "_" + cols + (count > 1 && equals(WHOLE) ? "_many" : "");
        }
    }

    /** Elements from one product's operands to the next one's. */
    record Steps(int count, long a, long b, long c) {
        static final Steps NONE = new Steps(1, 0, 0, 0);
    }

    /** @param depth of a split, a multiple of the tile's */
    private record Cut(int splits, int depth) {

        static Cut of(Product p, Size size, long wanted) {
            int steps = Math.toIntExact(tiles(p.k(), size.depth()));
            long room = MAX_PARTS_BYTES / ((long) p.m() * p.n() * Float.BYTES);
            long most = Math.min(Math.min(wanted, room), Math.min(MAX_SPLITS, steps / LEAST_STEPS));
            int perSplit = Math.toIntExact(tiles(steps, (int) Math.max(1, most)));
            return new Cut(Math.toIntExact(tiles(steps, perSplit)), perSplit * size.depth());
        }
    }

    /**
     * Products {@code from} to {@code from + count}.
     *
     * @param parts where parts of split sums go, or 0
     */
    private record Launch(Product first, Steps steps, int from, int count, Size size, Cut cut, long parts) {}

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
    private final Map<Name, CudaKernel> kernels = new HashMap<>();

    private record Name(String file, String kernel) {

        static Name of(Product p, String kernel) {
            return new Name(Variants.file("matmul", p.a().dtype()), kernel);
        }
    }

    GeneralMatmul(int multiprocessors, Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.library = library;
        this.workspace = workspace;
    }

    private CudaKernel kernel(Product p, String kernel, int sharedBytes) {
        return kernels.computeIfAbsent(
                Name.of(p, kernel), name -> library.kernel(name.file(), name.kernel(), sharedBytes));
    }

    void run(Product p) {
        run(p, Steps.NONE);
    }

    /** @param first the first of several, the others at fixed distances */
    void run(Product first, Steps steps) {
        Size size = size(first, steps.count());
        Cut cut = steps.count() == 1 ? cut(first, size) : cutOfMany(first, size);
        long bytes = cut.splits() == 1 ? 0 : (long) cut.splits() * first.m() * first.n() * Float.BYTES;
        long room = Math.min(MAX_GRID / cut.splits(), bytes == 0 ? MAX_GRID : workspace.room() / bytes);
        for (int from = 0; from < steps.count(); ) {
            int count = (int) Math.max(1, Math.min(room, steps.count() - from));
            run(new Launch(first, steps, from, count, size, cut, bytes == 0 ? 0 : workspace.atLeast(bytes * count)));
            from += count;
        }
    }

    private void run(Launch launch) {
        Product p = launch.first();
        double all = launch.count();
        double parts = launch.parts() == 0 ? 0 : 4.0 * launch.cut().splits() * p.m() * p.n();
        Size size = launch.size();
        launcher.of(kernel(p, size.kernel(p, launch.count()), size.sharedBytes()))
                .work(all * p.flops(), all * (p.bytes() + parts), p.m(), p.n(), p.k());
        problem(launch);
        long z = (long) launch.cut().splits() * launch.count();
        launcher.over(tiles(p.n(), size.cols()), tiles(p.m(), size.rows()), z, size.threads());
        if (launch.parts() != 0) {
            launcher.of(kernel(p, "matmul_add_parts", 0))
                    .work(
                            0,
                            all * (parts + p.c().bytes()),
                            p.m(),
                            p.n(),
                            launch.cut().splits());
            problem(launch);
            launcher.over(tiles(p.m() * (long) p.n(), ADD_THREADS), launch.count(), 1, ADD_THREADS);
        }
    }

    /** By the rows of all, which changes no bit: every tile adds up k in the same steps. */
    private static Size size(Product p, int count) {
        if (p.n() <= NARROW && !(p.transposeA() && p.transposeB())) {
            return TALL;
        }
        if (p.m() <= NARROW && p.transposeA() && !p.transposeB()) {
            return FLAT;
        }
        if (p.n() <= WIDER && (long) count * p.m() >= LONG && !p.transposeA() && p.transposeB()) {
            return TALL_WIDER;
        }
        if (p.m() <= 2 * WIDER && p.n() >= LONG && p.transposeA() && !p.transposeB()) {
            return FLAT_HIGHER;
        }
        return Math.min(p.m(), p.n()) <= WIDER ? SMALL : WHOLE;
    }

    /** So that one product has blocks for the whole chip. */
    private Cut cut(Product p, Size size) {
        long blocks = tiles(p.m(), size.rows()) * tiles(p.n(), size.cols());
        return Cut.of(p, size, (long) WAVES * multiprocessors / blocks);
    }

    /** Many fill the chip together, so k is cut where it is long alone; by the shape, so that their number changes no bit. */
    private static Cut cutOfMany(Product p, Size size) {
        return Cut.of(p, size, Math.min(p.m(), p.n()) <= 2 * WIDER ? tiles(p.k(), DEPTH_OF_MANY) : 1);
    }

    private void problem(Launch launch) {
        Product p = launch.first();
        Steps steps = launch.steps();
        launcher.structure()
                .address(start(p.a(), steps.a(), launch.from()))
                .address(start(p.b(), steps.b(), launch.from()))
                .address(start(p.c(), steps.c(), launch.from()))
                .address(launch.parts())
                .number(p.a().rowStride())
                .number(p.b().rowStride())
                .number(p.c().rowStride())
                .number(p.m())
                .number(p.n())
                .number(p.k())
                .number(launch.cut().depth())
                .flag(p.c().dtype() != DType.F32)
                .flag(aligned(p.a()) && steps.a() % ALIGNMENT == 0)
                .flag(aligned(p.b()) && steps.b() % ALIGNMENT == 0)
                .number(p.alpha())
                .number(p.beta())
                .number(launch.cut().splits())
                .number(steps.a())
                .number(steps.b())
                .number(steps.c())
                .end();
    }

    private static long start(Tensor first, long step, int i) {
        return first.address() + i * step * first.dtype().bytes();
    }

    private static boolean aligned(Tensor tensor) {
        return tensor.address() % 16 == 0 && tensor.rowStride() % ALIGNMENT == 0;
    }

    private static long tiles(long size, int tile) {
        return (size + tile - 1) / tile;
    }
}
