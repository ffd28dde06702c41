// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Linear;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.internal.DequantizedInt8;
import io.sparkqlora.kernels.internal.Int8Checks;
import java.util.List;

/** Kernels in int8_linear.cu, and Hopper's products where they fit. How many columns have outliers stays on the device, so that nothing waits and all can be recorded. */
final class CudaInt8Linear implements Int8Linear {

    private static final int THREADS = 256;
    private static final int LIST_THREADS = 1024;
    private static final int ROWS_OF_BLOCK = 64; // where outliers are looked for
    private static final int TILE = 128;
    private static final int ALIGNMENT = 16;

    private final Launcher launcher;
    private final Workspace workspace;
    private final Elementwise elementwise;
    private final DequantizedInt8 dequantized;
    private final HopperInt8 hopper;
    private final CudaKernel mark;
    private final CudaKernel list;
    private final CudaKernel quantize;
    private final CudaKernel linear;
    private final CudaKernel linearOfHalves;

    /** @param hopper null where the chip is no Hopper */
    CudaInt8Linear(
            Launcher launcher,
            CudaKernel.Library library,
            Workspace workspace,
            Elementwise elementwise,
            DequantizedInt8 dequantized,
            HopperInt8 hopper) {
        this.launcher = launcher;
        this.workspace = workspace;
        this.elementwise = elementwise;
        this.dequantized = dequantized;
        this.hopper = hopper;
        this.mark = library.kernel("int8_linear", "int8_mark_outliers");
        this.list = library.kernel("int8_linear", "int8_list_outliers");
        this.quantize = library.kernel("int8_linear", "int8_quantize_input");
        this.linear = library.kernel("int8_linear", "int8_linear");
        this.linearOfHalves = library.kernel(Variants.file("int8_linear", DType.F16), "int8_linear");
    }

    @Override
    public void quantize(Tensor x, float threshold, Int8Input out) {
        Int8Checks.input(x, out);
        int cols = Math.toIntExact(x.cols());
        long bytes = (long) Integer.BYTES * cols;
        Tensor flags = Tensor.of(new Borrowed(workspace.atLeast(bytes), bytes), DType.I32, 1, cols);
        elementwise.zero(flags);
        if (threshold > 0) {
            launcher.of(mark)
                    .moves(x)
                    .matrix(x)
                    .number(x.rows())
                    .number(cols)
                    .number(ROWS_OF_BLOCK)
                    .number(threshold)
                    .address(flags)
                    .over(ceil(cols, THREADS), ceil(x.rows(), ROWS_OF_BLOCK), 1, THREADS);
        }
        launcher.of(list)
                .moves(flags)
                .address(flags)
                .number(cols)
                .address(out.columns())
                .over(1, 1, 1, LIST_THREADS);
        launcher.of(quantize)
                .moves(x, out.codes())
                .matrix(x)
                .number(cols)
                .number(threshold)
                .address(flags)
                .address(out.codes())
                .number(out.codes().rowStride())
                .address(out.absmax())
                .over(x.rows(), 1, 1, THREADS);
    }

    private static long ceil(long value, long divisor) {
        return (value + divisor - 1) / divisor;
    }

    @Override
    public void forward(
            Tensor x, Int8Input input, Int8Matrix weight, Tensor t, List<LoraLinear.Update> updates, Tensor y) {
        Int8Checks.product(x, input, weight, y);
        if (hopper != null && hopper.fits(input, weight, y)) {
            hopper.run(x, input, weight, y);
        } else {
            multiply(x, input, weight, y);
        }
        dequantized.addUpdates(t, updates, y);
    }

    private void multiply(Tensor x, Int8Input input, Int8Matrix weight, Tensor y) {
        long rows = y.rows();
        long cols = y.cols();
        double traffic = (double) input.codes().bytes() + weight.codes().bytes() + y.bytes();
        launcher.of(y.dtype() == DType.F16 ? linearOfHalves : linear)
                .work(2.0 * rows * cols * x.cols(), traffic, rows, cols, x.cols());
        operand(input.codes());
        operand(weight.codes());
        launcher.number(Math.toIntExact(x.cols()))
                .matrix(x)
                .address(input.columns())
                .address(input.absmax())
                .address(weight.absmax())
                .matrix(y)
                .over(ceil(cols, TILE), ceil(rows, TILE), 1, THREADS);
    }

    /** The kernel's {@code Operand}. */
    private void operand(Tensor codes) {
        boolean aligned = codes.address() % ALIGNMENT == 0 && codes.rowStride() % ALIGNMENT == 0;
        launcher.structure()
                .address(codes)
                .number(codes.rowStride())
                .number(Math.toIntExact(codes.rows()))
                .flag(aligned)
                .end();
    }

    @Override
    public void backward(
            Tensor dy,
            Int8Matrix weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx) {
        dequantized.backward(dy, weight, scratch, t, updates, scaling, a, dx);
    }
}
