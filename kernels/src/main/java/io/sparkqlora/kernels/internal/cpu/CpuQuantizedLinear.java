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
import java.util.function.Supplier;

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
    /** Rows of a panel that multiplies an input turned over, which is read from the cache for each. */
    private static final long TURNED_PANEL = 128;
    /** Of a panel of columns: each reads all of the gradient, so narrow ones cost more than they save. */
    private static final long COLUMN_PANEL_BYTES = 8 << 20;

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
        Tensor input = x.colRange(0, in);
        // what is turned is written once and read by every panel; oneDNN would turn each panel
        boolean turned = y.dtype() == DType.BF16 && JoinedInput.canBeTurned(input) && OneDnn.hasMatrixUnits();
        NativeBuffer buffer = products.borrowScratch();
        try {
            JoinedInput joined = turned
                    ? JoinedInput.turned(input, t, workers, products, buffer)
                    : JoinedInput.of(input, t, workers, buffer);
            byRows(joined, weight, updates, y);
        } finally {
            products.giveBackScratch(buffer);
        }
    }

    private void byRows(JoinedInput x, List<QuantizedMatrix> weight, List<LoraLinear.Update> updates, Tensor y) {
        long fitting = ROW_PANEL_BYTES / (x.inner() * x.dtype().bytes());
        long wanted = x.turned() ? TURNED_PANEL : Math.max(ROW_PANEL_MIN, Math.min(ROW_PANEL_MAX, fitting));
        Panels panels = Panels.of(y.cols(), wanted, workers);
        eachPanel(panels, () -> Dequantizer.of(weight, x.dtype()), (i, dequantizer, buffer) -> {
            new RowPanel(products, x, updates, y, panels.start(i), panels.size(i)).run(dequantizer, buffer);
        });
    }

    @FunctionalInterface
    private interface PanelBody {
        void run(long panel, Dequantizer dequantizer, NativeBuffer buffer);
    }

    private void eachPanel(Panels panels, Supplier<Dequantizer> dequantizers, PanelBody body) {
        workers.forRange(panels.count(), 1, (from, to) -> {
            Dequantizer dequantizer = dequantizers.get();
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
        boolean matrixUnits = dtype == DType.BF16 && OneDnn.hasMatrixUnits();
        boolean pairs = matrixUnits && weight.stream().allMatch(PairDequantizer::supports);
        Pieces pieces = Pieces.of(dtype, dy.cols(), matrixUnits);
        Panels panels = Panels.of(
                dx.cols(), Math.min(pieces.cols(), COLUMN_PANEL_BYTES / (pieces.depth() * dtype.bytes())), workers);
        Supplier<Dequantizer> dequantizers = () -> pairs ? Dequantizer.inPairs(weight) : Dequantizer.of(weight, dtype);
        eachPanel(panels, dequantizers, (i, dequantizer, buffer) -> {
            new ColumnPanel(products, dy, dx, panels.start(i), panels.size(i), pieces.depth(), pairs)
                    .run(dequantizer, buffer);
        });
    }
}
