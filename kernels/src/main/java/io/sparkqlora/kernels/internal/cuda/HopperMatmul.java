// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Products by matmul_sm90.cu: one type of 16 bits in and out, aligned, a not transposed, nothing added but a low-rank second product. */
final class HopperMatmul {

    /**
     * What is added to a product: {@code a} times blocks that each have some columns of the result, block {@code i} for columns
     * {@code i · depth} and following of {@code a}. A block is a stack of as many matrices as the rows have runs.
     *
     * @param a [m, blocks · depth]
     * @param blocks as the product's b lies: [columns, depth] where that is transposed, [depth, columns] where it is not
     * @param from each block's first column of the result
     */
    record Addend(Tensor a, List<TensorStack> blocks, List<Integer> from, int depth) {

        static final Addend NONE = new Addend(null, List.of(), List.of(), 0);

        /** What the kernel has places for. */
        private static final int MOST = 3;

        private int runs() {
            return blocks.isEmpty() ? 1 : blocks.get(0).count();
        }

        private boolean fits() {
            return blocks.isEmpty()
                    || (blocks.size() <= MOST
                            && depth % 8 == 0
                            && (runs() == 1 || a.rows() % ((long) runs() * RUN_STEP) == 0)
                            && TensorMaps.fits(a)
                            && blocks.stream().allMatch(TensorMaps::fits)
                            && blocks.stream().allMatch(block -> block.first().dtype() == a.dtype()));
        }
    }

    static final int THREADS = 384;
    static final int BLOCK_ROWS = 128;
    static final int BLOCK_K = 64;
    /** Rows of a run are a multiple of this, which two blocks that share columns take. */
    private static final int RUN_STEP = 2 * BLOCK_ROWS;

    static final int[] WIDTHS = {256, 192, 128};
    /** What a narrow tile loses, in columns: fewer operations for each byte that it reads. */
    private static final int OVERHEAD = 40;
    /** Fewest rows and columns: less is left to tiles that are smaller. */
    static final int LEAST = 128;

    private final int multiprocessors;
    private final Launcher launcher;
    private final TensorMaps maps;
    private final Map<DType, Kernels> kernels;

    /** Of one type, a kernel a width. */
    private record Kernels(CudaKernel[] byRows, CudaKernel[] byColumns) {

        static Kernels of(CudaKernel.Library library, DType dtype) {
            String file = Variants.file("matmul_sm90", dtype);
            return new Kernels(of(library, file, "nt"), of(library, file, "nn"));
        }

        private static CudaKernel[] of(CudaKernel.Library library, String file, String layout) {
            return Arrays.stream(WIDTHS)
                    .mapToObj(width ->
                            library.kernel(file, "matmul_" + layout + "_" + width + "_sm90", sharedBytes(width)))
                    .toArray(CudaKernel[]::new);
        }
    }

    HopperMatmul(int multiprocessors, Launcher launcher, CudaKernel.Library library, TensorMaps maps) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.maps = maps;
        this.kernels = Map.of(DType.BF16, Kernels.of(library, DType.BF16), DType.F16, Kernels.of(library, DType.F16));
    }

    /** As the kernel lays it out: a ring of stages, four boxes of c, barriers, and room to align it. */
    static int sharedBytes(int width) {
        int stages = width == 128 ? 6 : 4;
        return 1024 + stages * (BLOCK_ROWS + width) * BLOCK_K * 2 + 4 * 64 * 64 * 2;
    }

    boolean fits(Product p, Addend addend) {
        return addend.fits()
                && p.plain()
                && !p.transposeA()
                && p.c().dtype() == p.a().dtype()
                && TensorMaps.fits(p.a())
                && TensorMaps.fits(p.b())
                && TensorMaps.fits(p.c())
                && p.m() >= LEAST
                && p.n() >= LEAST
                && p.k() >= BLOCK_K;
    }

    void run(Product p, Addend addend) {
        int choice = choose(multiprocessors, p.m(), p.n(), p.transposeB());
        Kernels ofType = kernels.get(p.c().dtype());
        int width = WIDTHS[choice];
        int cluster = cluster(width, p.transposeB());
        int boxRows = p.transposeB() ? width / cluster : BLOCK_K;
        long b = maps.of(p.b(), boxRows);
        launcher.of(p.transposeB() ? ofType.byRows()[choice] : ofType.byColumns()[choice])
                .work(p.flops(), p.bytes(), p.m(), p.n(), p.k())
                .map(maps.of(p.a(), BLOCK_ROWS))
                .map(b)
                .map(maps.of(p.c(), BLOCK_K))
                .map(addend.a() == null ? b : maps.of(addend.a(), BLOCK_ROWS));
        for (int i = 0; i < Addend.MOST; i++) {
            // a place without a block is never looked at
            launcher.map(i < addend.blocks().size() ? maps.of(addend.blocks().get(i), boxRows) : b);
        }
        blocks(addend, p.m(), p.transposeB());
        launcher.number(p.m()).number(p.n()).number(p.k());
        launcher.over(multiprocessors / cluster * (long) cluster, 1, 1, THREADS);
    }

    private void blocks(Addend addend, int rows, boolean transposed) {
        int count = addend.blocks().size();
        launcher.structure().number(count).number(addend.depth());
        for (int i = 0; i < Addend.MOST; i++) {
            launcher.number(i < count ? addend.from().get(i) : 0);
        }
        for (int i = 0; i < Addend.MOST; i++) {
            launcher.number(
                    i < count ? addend.from().get(i) + columns(addend.blocks().get(i), transposed) : 0);
        }
        // of one run, also where rows are no multiple of a tile's
        launcher.number(addend.runs() == 1 ? Integer.MAX_VALUE : rows / addend.runs())
                .end();
    }

    private static int columns(TensorStack block, boolean transposed) {
        return Math.toIntExact(transposed ? block.rows() : block.cols());
    }

    static int cluster(int width, boolean transposeB) {
        return width == 192 && !transposeB ? 1 : 2;
    }

    /** The width whose waves of tiles take the least time; a function of the shape and the chip. */
    static int choose(int multiprocessors, int m, int n, boolean transposeB) {
        int best = 0;
        long least = Long.MAX_VALUE;
        for (int i = 0; i < WIDTHS.length; i++) {
            int cluster = cluster(WIDTHS[i], transposeB);
            long height = (long) cluster * BLOCK_ROWS;
            long rows = (m + height - 1) / height;
            long cols = (n + (long) WIDTHS[i] - 1) / WIDTHS[i];
            long slots = multiprocessors / cluster;
            long time = (rows * cols + slots - 1) / slots * (WIDTHS[i] + OVERHEAD);
            if (time < least) {
                least = time;
                best = i;
            }
        }
        return best;
    }
}
