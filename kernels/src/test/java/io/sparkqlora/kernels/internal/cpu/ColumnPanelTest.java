// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Columns of a gradient against float64, whatever the processor's own choice of a depth. */
@Tag(TestDevice.CPU_ONLY)
class ColumnPanelTest {

    @ParameterizedTest
    @CsvSource({
        // rows, rows of the weight, columns, first column of the panel, its columns, depth
        "BF16, 5, 100, 64, 0, 64, 512",
        "BF16, 33, 512, 128, 64, 64, 512",
        "BF16, 33, 513, 192, 64, 128, 512",
        "BF16, 7, 1300, 256, 0, 256, 512",
        "BF16, 40, 300, 128, 0, 128, 64",
        "F16, 33, 513, 192, 64, 128, 512",
        "F16, 40, 300, 128, 0, 128, 64",
        "F32, 9, 200, 64, 0, 64, 200",
    })
    void agreesWithDoublePrecision(DType dtype, int rows, int inner, int all, int col, int cols, int depth) {
        Random random = new Random(3);
        try (Device device = TestDevice.open();
                Products products = new Products();
                NativeBuffer memory = new NativeBuffer()) {
            QuantizedMatrix weight =
                    Quantized.allocate(device, new QuantFormat(QuantFormat.Type.NF4, 64, true), inner, all);
            device.ops().quantization().quantize(TestMatrix.random(device, DType.F32, inner, all, 0, random), weight);
            Tensor dense = TestMatrix.poisoned(device, dtype, inner, all, 0);
            device.ops().quantization().dequantize(weight, dense);
            Tensor dy = TestMatrix.random(device, dtype, rows, inner, 8, random);
            Tensor dx = TestMatrix.poisoned(device, dtype, rows, all, 8);
            double[][] expected =
                    TestMatrix.product(TestMatrix.read(dy), TestMatrix.read(dense.colRange(col, col + cols)), 1, null);
            ColumnPanel plain = new ColumnPanel(products, dy, dx, col, cols, depth, false);
            check(plain, Dequantizer.of(weight, dtype), memory, expected);
            if (dtype == DType.BF16 && PairDequantizer.supports(weight) && OneDnn.hasBf16()) {
                ColumnPanel pairs = new ColumnPanel(products, dy, dx, col, cols, depth, true);
                check(pairs, Dequantizer.inPairs(List.of(weight)), memory, expected);
            }
        }
    }

    private static void check(ColumnPanel panel, Dequantizer dequantizer, NativeBuffer memory, double[][] expected) {
        Tensor all = panel.dx();
        Tensor written = all.colRange(panel.col(), panel.col() + panel.cols());
        panel.run(dequantizer, memory);
        TestMatrix.assertClose(written, expected, TestMatrix.tolerance(all.dtype(), 3e-3));
        TestMatrix.assertGapsUntouched(all);
        int[] bits = TestMatrix.bits(written);
        panel.run(dequantizer, memory);
        assertThat(TestMatrix.bits(written)).isEqualTo(bits);
    }
}
