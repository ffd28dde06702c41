// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import static io.sparkqlora.kernels.internal.cuda.HopperMatmul.BLOCK_K;
import static io.sparkqlora.kernels.internal.cuda.HopperMatmul.BLOCK_ROWS;
import static io.sparkqlora.kernels.internal.cuda.HopperMatmul.LEAST;
import static io.sparkqlora.kernels.internal.cuda.HopperMatmul.THREADS;
import static io.sparkqlora.kernels.internal.cuda.HopperMatmul.WIDTHS;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;
import java.util.Map;

/** Products by int8_linear_sm90.cu: codes of an even number of columns, results of 16 bits, aligned. */
final class HopperInt8 {

    private final int multiprocessors;
    private final Launcher launcher;
    private final TensorMaps maps;
    private final Map<DType, CudaKernel[]> kernels;

    HopperInt8(int multiprocessors, Launcher launcher, CudaKernel.Library library, TensorMaps maps) {
        this.multiprocessors = multiprocessors;
        this.launcher = launcher;
        this.maps = maps;
        this.kernels = Map.of(DType.BF16, kernels(library, DType.BF16), DType.F16, kernels(library, DType.F16));
    }

    private static CudaKernel[] kernels(CudaKernel.Library library, DType dtype) {
        String file = Variants.file("int8_linear_sm90", dtype);
        return Arrays.stream(WIDTHS)
                .mapToObj(width ->
                        library.kernel(file, "int8_linear_" + width + "_sm90", HopperMatmul.sharedBytes(width)))
                .toArray(CudaKernel[]::new);
    }

    boolean fits(Int8Input input, Int8Matrix weight, Tensor y) {
        return TensorMaps.fitsCodes(input.codes())
                && TensorMaps.fitsCodes(weight.codes())
                && TensorMaps.fits(y)
                && y.rows() >= LEAST
                && y.cols() >= LEAST
                && weight.cols() >= 2 * BLOCK_K;
    }

    /** {@link io.sparkqlora.kernels.Int8Linear#forward} without updates. */
    void run(Tensor x, Int8Input input, Int8Matrix weight, Tensor y) {
        int rows = Math.toIntExact(y.rows());
        int cols = Math.toIntExact(y.cols());
        int inner = Math.toIntExact(x.cols());
        int choice = HopperMatmul.choose(multiprocessors, rows, cols, true);
        int cluster = HopperMatmul.cluster(WIDTHS[choice], true);
        double traffic = (double) input.codes().bytes() + weight.codes().bytes() + y.bytes();
        launcher.of(kernels.get(y.dtype())[choice])
                .work(2.0 * rows * cols * inner, traffic, rows, cols, inner)
                .map(maps.ofCodes(input.codes(), BLOCK_ROWS))
                .map(maps.ofCodes(weight.codes(), WIDTHS[choice] / cluster))
                .map(maps.of(y, BLOCK_K));
        launcher.structure()
                .matrix(x)
                .address(weight.codes())
                .number(weight.codes().rowStride())
                .address(input.columns())
                .address(input.absmax())
                .address(weight.absmax())
                .number(rows)
                .number(cols)
                .end();
        launcher.number(inner).over(multiprocessors / cluster * (long) cluster, 1, 1, THREADS);
    }
}
