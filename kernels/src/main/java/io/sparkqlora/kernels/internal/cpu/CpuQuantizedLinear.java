// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.QuantizedLinear;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.internal.LowRankProducts;
import java.util.List;

/**
 * Products with 4-bit weights, a panel of the weight at a time: dequantised into a thread's own memory, where it stays in the
 * caches, and multiplied at once. With few rows to multiply, writing a whole weight to memory and reading it again takes as
 * long as the product. With many it does not, and cutting the rows among the threads is better.
 */
final class CpuQuantizedLinear implements QuantizedLinear {

    /** Most rows that are multiplied by panels. */
    private static final long MAX_ROWS = 1024;
    /** Of a panel of rows, which are read once: about half of a second-level cache. */
    private static final long ROW_PANEL_BYTES = 1 << 20;

    private static final long ROW_PANEL_MAX = 512;
    /** With fewer, oneDNN is slower than a panel too large for the cache makes it. */
    private static final long ROW_PANEL_MIN = 128;
    /** Of a panel of columns: each reads all of the gradient, so narrow ones cost more than they save. */
    private static final long COLUMN_PANEL_BYTES = 8 << 20;

    private static final long COLUMN_PANEL_MAX = 256;
    /**
     * Rows of such a panel that are dequantised at once, in BF16: they, the gradient's columns that they meet and the sums fit a
     * second-level cache.
     */
    private static final long COLUMN_PANEL_DEPTH = 512;
    /** Columns of such a panel where matrix units multiply: at their speed adding to the sums counts, which is less of wide ones. */
    private static final long COLUMN_PANEL_WIDE = 512;
    /** With fewer rows the sums cost what the caches save. */
    private static final long COLUMN_PANEL_DEEP = 4096;
    /** oneDNN reads the inner dimension in such steps; see {@link Product#readsPastRows}. */
    private static final long INNER_STEP = 32;

    private final Workers workers;
    private final Products products;
    private final Matmul matmul;
    private final QuantizedLinear dense;

    CpuQuantizedLinear(Workers workers, Products products, Matmul matmul, QuantizedLinear dense) {
        this.workers = workers;
        this.products = products;
        this.matmul = matmul;
        this.dense = dense;
    }

    @Override
    public void forward(
            Tensor x,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            Tensor y) {
        if (x.rows() > MAX_ROWS) {
            dense.forward(x, weight, scratch, t, updates, y);
            return;
        }
        long in = weight.get(0).cols();
        if (t != null && updates.get(0).runs() > 1) {
            forward(x.colRange(0, in), weight, scratch, null, List.of(), y);
            new LowRankProducts(matmul).add(t, updates, y);
            return;
        }
        long inner = (in + (t == null ? 0 : t.cols()) + INNER_STEP - 1) / INNER_STEP * INNER_STEP;
        NativeBuffer buffer = products.borrowScratch();
        try {
            long joined = buffer.atLeast(x.rows() * inner * x.dtype().bytes());
            join(x.colRange(0, in), t, inner, joined);
            byRows(x, joined, inner, weight, updates, y);
        } finally {
            products.giveBackScratch(buffer);
        }
    }

    /** {@code [x | t | 0]}. */
    private void join(Tensor x, Tensor t, long inner, long joined) {
        int width = x.dtype().bytes();
        workers.forRange(x.rows(), Elements.grain(inner), (from, to) -> {
            for (long row = from; row < to; row++) {
                long target = joined + row * inner * width;
                Native.copy(x.address(row), target, x.cols() * width);
                long at = x.cols();
                if (t != null) {
                    Native.copy(t.address(row), target + at * width, t.cols() * width);
                    at += t.cols();
                }
                Native.fill(target + at * width, (inner - at) * width, (byte) 0);
            }
        });
    }

    private void byRows(
            Tensor x,
            long joined,
            long inner,
            List<QuantizedMatrix> weight,
            List<LoraLinear.Update> updates,
            Tensor y) {
        DType dtype = x.dtype();
        long in = weight.get(0).cols();
        long rowBytes = inner * dtype.bytes();
        long wanted = Math.max(ROW_PANEL_MIN, Math.min(ROW_PANEL_MAX, ROW_PANEL_BYTES / rowBytes));
        Panels panels = Panels.of(y.cols(), wanted, workers);
        Product whole = new Product(
                x.rows(), y.cols(), inner, dtype, y.dtype(), false, inner, true, inner, y.rowStride(), 1f, 0f);
        eachPanel(panels, weight, dtype, (i, dequantizer, buffer) -> {
            Product part = whole.columns(panels.size(i));
            long panel = buffer.atLeast(part.n() * rowBytes);
            dequantizer.run(panels.start(i), part.n(), 0, in, panel, rowBytes);
            LowRankColumns.write(updates, panels.start(i), part.n(), in, inner, dtype, panel);
            products.run(part, joined, panel, y.address() + whole.offsetC(0, panels.start(i)));
        });
    }

    @FunctionalInterface
    private interface PanelBody {
        void run(long panel, Dequantizer dequantizer, NativeBuffer buffer);
    }

    private void eachPanel(Panels panels, List<QuantizedMatrix> weight, DType dtype, PanelBody body) {
        workers.forRange(panels.count(), 1, (from, to) -> {
            Dequantizer dequantizer = new StackedDequantizer(weight, dtype);
            NativeBuffer buffer = products.borrowScratch();
            try {
                for (long i = from; i < to; i++) {
                    body.run(i, dequantizer, buffer);
                }
            } finally {
                products.giveBackScratch(buffer);
            }
        });
    }

    @Override
    public void backward(
            Tensor dy,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx) {
        if (dy.rows() > MAX_ROWS) {
            dense.backward(dy, weight, scratch, t, updates, scaling, a, dx);
            return;
        }
        Tensor input = dx.colRange(0, weight.get(0).cols());
        byColumns(dy, weight, input);
        if (t != null) {
            LowRankProducts low = new LowRankProducts(matmul);
            Tensor dt = dx.colRange(input.cols(), dx.cols());
            low.gradients(dy, t, updates, scaling, dt);
            if (a != null) {
                low.addInputGradient(dt, a, input);
            }
        }
    }

    private void byColumns(Tensor dy, List<QuantizedMatrix> weight, Tensor dx) {
        DType dtype = dy.dtype();
        long inner = dy.cols();
        boolean inPieces = dtype == DType.BF16 && inner >= COLUMN_PANEL_DEEP;
        long depth = inPieces ? COLUMN_PANEL_DEPTH : inner;
        long most = inPieces && OneDnn.hasMatrixUnits() ? COLUMN_PANEL_WIDE : COLUMN_PANEL_MAX;
        Panels panels = Panels.of(dx.cols(), Math.min(most, COLUMN_PANEL_BYTES / (depth * dtype.bytes())), workers);
        eachPanel(panels, weight, dtype, (i, dequantizer, buffer) -> {
            new ColumnPanel(products, dy, dx, panels.start(i), panels.size(i), depth).run(dequantizer, buffer);
        });
    }
}
