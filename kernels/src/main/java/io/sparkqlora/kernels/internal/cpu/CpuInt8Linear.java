// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Linear;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.internal.DequantizedInt8;
import io.sparkqlora.kernels.internal.Int8Checks;
import java.util.List;

/** Products in 8 bits on the CPU: an input by its rows, an output by panels of its columns; see {@link Int8Panel}. */
final class CpuInt8Linear implements Int8Linear {

    /** Outputs of a panel: its weights, and the sums of some rows, stay in a second-level cache. */
    private static final long PANEL = 128;
    /** oneDNN reads the inner dimension in such steps; see {@link Product#readsPastRows}. */
    private static final long INNER_STEP = 32;

    private final Workers workers;
    private final Products products;
    private final DequantizedInt8 dequantized;

    CpuInt8Linear(Workers workers, Products products, DequantizedInt8 dequantized) {
        this.workers = workers;
        this.products = products;
        this.dequantized = dequantized;
    }

    @Override
    public void quantize(Tensor x, float threshold, Int8Input out) {
        Int8Checks.input(x, out);
        int cols = Math.toIntExact(x.cols());
        boolean[] outlier = new boolean[cols];
        if (threshold > 0) {
            workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> mark(x, from, to, threshold, outlier));
        }
        write(outlier, out.columns());
        workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> {
            byte[] codes = new byte[cols];
            for (long row = from; row < to; row++) {
                float[] values = halves(x, row);
                float largest = largest(values, cols, threshold);
                encode(values, largest, outlier, codes);
                Native.store(codes, 0, cols, out.codes().address(row));
                Native.putFloat(out.absmax().address() + Float.BYTES * row, largest);
            }
        });
    }

    /** Threads may mark a column at once: all write the same. */
    private static void mark(Tensor x, long from, long to, float threshold, boolean[] outlier) {
        for (long row = from; row < to; row++) {
            float[] values = halves(x, row);
            for (int i = 0; i < outlier.length; i++) {
                if (Math.abs(values[i]) >= threshold) {
                    outlier[i] = true;
                }
            }
        }
    }

    private static float[] halves(Tensor x, long row) {
        int cols = (int) x.cols();
        float[] values = Elements.buffers(cols)[0];
        Rows.load(x, row, 0, cols, values, 0);
        for (int i = 0; i < cols; i++) {
            values[i] = Float16.round(values[i]);
        }
        return values;
    }

    private static void write(boolean[] outlier, Tensor columns) {
        int count = 0;
        for (int i = 0; i < outlier.length; i++) {
            if (outlier[i]) {
                Native.putInt(columns.address() + Integer.BYTES * (1L + count++), i);
            }
        }
        Native.putInt(columns.address(), count);
    }

    private static float largest(float[] values, int cols, float threshold) {
        float largest = 0;
        for (int i = 0; i < cols; i++) {
            float magnitude = Math.abs(values[i]);
            if (threshold == 0 || !(magnitude >= threshold)) {
                largest = Math.max(largest, magnitude);
            }
        }
        return largest;
    }

    private static void encode(float[] values, float largest, boolean[] outlier, byte[] codes) {
        float scale = Int8Checks.scale(largest);
        for (int i = 0; i < codes.length; i++) {
            codes[i] = outlier[i] ? 0 : (byte) Math.rint(values[i] * scale);
        }
    }

    @Override
    public void forward(
            Tensor x, Int8Input input, Int8Matrix weight, Tensor t, List<LoraLinear.Update> updates, Tensor y) {
        Int8Checks.product(x, input, weight, y);
        DType type = OneDnn.hasBf16() ? DType.BF16 : DType.F32;
        int[] columns = columns(input);
        long inner = padded(x.cols());
        long outer = padded(columns.length);
        NativeBuffer buffer = products.borrowScratch();
        try {
            long codeBytes = x.rows() * inner * type.bytes();
            Slices slices = new Slices(
                    buffer.atLeast(codeBytes + x.rows() * outer * x.dtype().bytes() + Slices.SLACK));
            long codes = slices.next(codeBytes);
            long outliers = slices.next(x.rows() * outer * x.dtype().bytes());
            workers.forRange(x.rows(), Elements.grain(inner), (from, to) -> {
                new Int8Codes.Widener((int) x.cols(), type)
                        .widen(input.codes(), from, to - from, inner, codes + from * inner * type.bytes());
                gather(x, from, to, columns, outer, outliers);
            });
            Int8Panel panel = new Int8Panel(products, x.dtype(), type, input, weight, columns, inner, outer, y);
            Panels panels = Panels.of(y.cols(), PANEL, workers);
            workers.forRange(panels.count(), 1, (from, to) -> {
                for (long i = from; i < to; i++) {
                    panel.run(panels.start(i), panels.size(i), codes, outliers);
                }
            });
        } finally {
            products.giveBackScratch(buffer);
        }
        dequantized.addUpdates(t, updates, y);
    }

    private static long padded(long length) {
        return (length + INNER_STEP - 1) / INNER_STEP * INNER_STEP;
    }

    private static int[] columns(Int8Input input) {
        int[] columns = new int[Native.getInt(input.columns().address())];
        Native.load(input.columns().address() + Integer.BYTES, columns, 0, columns.length);
        return columns;
    }

    /** The input's columns of outliers side by side, zeros behind them. */
    private static void gather(Tensor x, long from, long to, int[] columns, long outer, long target) {
        float[] some = new float[(int) outer];
        for (long row = from; row < to && columns.length > 0; row++) {
            float[] values = Elements.buffers((int) x.cols())[0];
            Rows.load(x, row, 0, (int) x.cols(), values, 0);
            for (int i = 0; i < columns.length; i++) {
                some[i] = values[columns[i]];
            }
            Rows.store(
                    some,
                    0,
                    (int) outer,
                    x.dtype(),
                    target + row * outer * x.dtype().bytes());
        }
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
