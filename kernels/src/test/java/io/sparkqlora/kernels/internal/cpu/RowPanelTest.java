// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Columns of an output against float64, whether the processor would turn the input or not. */
@Tag(TestDevice.CPU_ONLY)
class RowPanelTest {

    @ParameterizedTest
    @CsvSource({
        // rows, inputs, rank (0: no low-rank part), outputs, first column of the panel, its columns, turned
        "BF16, 1, 64, 0, 64, 0, 64, false",
        "BF16, 1, 64, 0, 64, 0, 64, true",
        "BF16, 70, 192, 5, 100, 64, 36, false",
        "BF16, 70, 192, 5, 100, 64, 36, true",
        "BF16, 64, 128, 32, 256, 128, 128, true",
        "BF16, 130, 2112, 40, 66, 0, 66, true",
        "F32, 33, 128, 8, 100, 64, 36, false",
        "F16, 33, 128, 8, 100, 64, 36, false",
    })
    void agreesWithDoublePrecision(
            DType dtype, int rows, int in, int rank, int out, int col, int cols, boolean turned) {
        assumeThat(!turned || OneDnn.hasBf16()).isTrue();
        Random random = new Random(5);
        try (Device device = TestDevice.open();
                Workers workers = new Workers(2);
                Products products = new Products();
                NativeBuffer input = new NativeBuffer();
                NativeBuffer memory = new NativeBuffer()) {
            QuantizedMatrix weight =
                    Quantized.allocate(device, new QuantFormat(QuantFormat.Type.NF4, 64, true), out, in);
            device.ops().quantization().quantize(TestMatrix.random(device, DType.F32, out, in, 0, random), weight);
            Tensor dense = TestMatrix.poisoned(device, dtype, out, in, 0);
            device.ops().quantization().dequantize(weight, dense);
            Tensor x = TestMatrix.random(device, dtype, rows, in, 8, random);
            double[][] expected = product(x, dense, null);
            Tensor t = null;
            List<Update> updates = List.of();
            if (rank > 0) {
                t = TestMatrix.random(device, dtype, rows, rank, 8, random);
                Tensor b = TestMatrix.random(device, dtype, out, rank, 0, random);
                updates = List.of(new Update(0, b, TestMatrix.random(device, DType.F32, out, rank, 0, random)));
                expected = product(t, b, expected);
            }
            JoinedInput joined =
                    turned ? JoinedInput.turned(x, t, workers, products, input) : JoinedInput.of(x, t, workers, input);
            Tensor y = TestMatrix.poisoned(device, dtype, rows, out, 8);
            RowPanel panel = new RowPanel(products, joined, updates, y, col, cols);
            panel.run(Dequantizer.of(weight, dtype), memory);
            Tensor written = y.colRange(col, col + cols);
            TestMatrix.assertClose(written, columns(expected, col, cols), TestMatrix.tolerance(dtype, 3e-3));
            TestMatrix.assertGapsUntouched(y);
            int[] bits = TestMatrix.bits(written);
            panel.run(Dequantizer.of(weight, dtype), memory);
            assertThat(TestMatrix.bits(written)).isEqualTo(bits);
        }
    }

    private static double[][] product(Tensor a, Tensor b, double[][] sum) {
        return TestMatrix.product(TestMatrix.read(a), TestMatrix.transpose(TestMatrix.read(b)), 1, sum);
    }

    private static double[][] columns(double[][] all, int col, int cols) {
        double[][] out = new double[all.length][cols];
        for (int row = 0; row < all.length; row++) {
            System.arraycopy(all[row], col, out[row], 0, cols);
        }
        return out;
    }
}
