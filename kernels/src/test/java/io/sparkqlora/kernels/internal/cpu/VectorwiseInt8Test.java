// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.VectorwiseInt8;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class VectorwiseInt8Test {

    private static final String SOURCE = ".source";

    private final Device device = TestDevice.open();
    private final VectorwiseInt8 ops = device.ops().vectorwiseInt8();

    @AfterEach
    void close() {
        device.close();
    }

    /** What bitsandbytes makes of the tensors in the reference data's {@code int8.safetensors}, byte for byte. */
    @Test
    void quantizesAndDequantizesAsBitsandbytes() {
        SafetensorsFile file = new SafetensorsFile(QuantizationReferenceTest.DIR.resolve(Path.of("int8.safetensors")));
        List<String> names = file.entries.keySet().stream()
                .filter(name -> name.endsWith(SOURCE))
                .map(name -> name.substring(0, name.length() - SOURCE.length()))
                .toList();
        assertThat(names).isNotEmpty();
        for (String name : names) {
            SafetensorsFile.Entry entry = file.get(name + SOURCE);
            Tensor source = Quantized.tensor(device, entry.dtype(), entry.shape()[0], entry.shape()[1]);
            device.copyIn(ByteBuffer.wrap(entry.data()), source);
            Tensor codes = Quantized.tensor(device, DType.I8, source.rows(), source.cols());
            Tensor absmax = Quantized.tensor(device, DType.F32, 1, source.rows());
            Tensor out = Quantized.tensor(device, DType.F32, source.rows(), source.cols());
            ops.quantize(source, codes, absmax);
            ops.dequantize(codes, absmax, out);
            assertThat(Quantized.bytes(device, codes))
                    .as("CB of %s", name)
                    .isEqualTo(file.get(name + ".CB").data());
            assertThat(Quantized.bytes(device, absmax))
                    .as("SCB of %s", name)
                    .isEqualTo(file.get(name + ".SCB").data());
            assertThat(Quantized.bytes(device, out))
                    .as("dequantized %s", name)
                    .isEqualTo(file.get(name + ".dequantized").data());
        }
    }

    @Test
    void halfAStepIsTheMostThatIsLost() {
        for (DType from : new DType[] {DType.F32, DType.BF16, DType.F16}) {
            for (DType to : new DType[] {DType.F32, DType.BF16, DType.F16}) {
                for (int cols : new int[] {1, 65, 256, 2064}) {
                    Matrix source = Matrix.strided(device, from, 5, cols).random(cols, 0.02);
                    Matrix out = Matrix.strided(device, to, 5, cols);
                    double[][] x = source.values();
                    roundTrip(source.tensor, out.tensor);
                    assertWithinHalfAStep(x, out);
                    out.assertGapsUntouched();
                }
            }
        }
    }

    private void roundTrip(Tensor source, Tensor out) {
        Tensor codes = Quantized.tensor(device, DType.I8, source.rows(), source.cols());
        Tensor absmax = Quantized.tensor(device, DType.F32, 1, source.rows());
        ops.quantize(source, codes, absmax);
        ops.dequantize(codes, absmax, out);
    }

    private static void assertWithinHalfAStep(double[][] x, Matrix out) {
        for (int row = 0; row < x.length; row++) {
            double largest = 0;
            for (double value : x[row]) {
                largest = Math.max(largest, Math.abs(value));
            }
            // half a step; and what rounding to F16, and to the result's type, adds to the largest
            double most = largest * (0.5 / 127 + 0x1p-11 + Math.max(0x1p-20, Matrix.rounding(out.tensor.dtype())));
            for (int col = 0; col < x[row].length; col++) {
                assertThat(Math.abs(out.get(row, col) - x[row][col]))
                        .as("row %d, column %d, %s", row, col, x[row][col])
                        .isLessThanOrEqualTo(most);
            }
        }
    }

    @Test
    void otherTypesAreRoundedToHalvesFirst() {
        // in F16 the third is 1 + 2/1024 (a tie goes to even), the fourth the smallest denormal
        Matrix source = Matrix.contiguous(device, DType.F32, 1, 4);
        float[] values = {127f, -63.5f, 1f + 3f / 2048, 0x1p-24f};
        for (int i = 0; i < values.length; i++) {
            source.set(0, i, values[i]);
        }
        Tensor codes = Quantized.tensor(device, DType.I8, 1, 4);
        Tensor absmax = Quantized.tensor(device, DType.F32, 1, 1);
        ops.quantize(source.tensor, codes, absmax);
        assertThat(Quantized.bytes(device, codes)).containsExactly(127, -64, 1, 0);
        source.set(0, 0, 65519f);
        ops.quantize(source.tensor, codes, absmax);
        assertThat(ByteBuffer.wrap(Quantized.bytes(device, absmax))
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .getFloat())
                .isEqualTo(65504f);
    }

    @Test
    void refusesWhatHasNoHalf() {
        for (DType type : new DType[] {DType.F32, DType.BF16}) {
            Matrix source = Matrix.strided(device, type, 3, 40).random(1, 1);
            for (float bad : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
                source.set(1, 39, bad);
                assertRefused(source, "QLORA-K011", "row 1, column 39 is " + bad);
            }
            source.set(1, 39, 65536f);
            assertRefused(source, "QLORA-K012", "row 1, column 39 is 65536.0, and F16");
        }
    }

    private void assertRefused(Matrix source, String code, String message) {
        Tensor codes = Quantized.tensor(device, DType.I8, 3, 40);
        Tensor absmax = Quantized.tensor(device, DType.F32, 1, 3);
        assertThatThrownBy(() -> ops.quantize(source.tensor, codes, absmax))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining(code)
                .hasMessageContaining(message);
    }
}
