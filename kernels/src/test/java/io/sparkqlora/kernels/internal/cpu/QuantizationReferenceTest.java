// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Everything that bitsandbytes computes for the tensors in {@code src/test/resources/quantization} (or in the folder that
 * {@code qlora.quantization.dir} names), byte for byte, but for the slips of its dequantisation: see {@link BitsandbytesCpu}.
 */
class QuantizationReferenceTest {

    static final Path DIR = Path.of(System.getProperty("qlora.quantization.dir", "src/test/resources/quantization"));
    private static final Pattern NAME = Pattern.compile("(nf4|fp4)-(dq|plain)-b(\\d+)\\.safetensors");
    private static final String SOURCE = ".source";

    static List<Path> files() throws IOException {
        try (Stream<Path> paths = Files.list(DIR)) {
            return paths.filter(
                            path -> NAME.matcher(path.getFileName().toString()).matches())
                    .sorted()
                    .toList();
        }
    }

    private static QuantFormat format(Path file) {
        Matcher matcher = NAME.matcher(file.getFileName().toString());
        assertThat(matcher.matches()).isTrue();
        return new QuantFormat(
                QuantFormat.Type.valueOf(matcher.group(1).toUpperCase(Locale.ROOT)),
                Integer.parseInt(matcher.group(3)),
                matcher.group(2).equals("dq"));
    }

    @ParameterizedTest
    @MethodSource("files")
    void quantizesAndDequantizesAsBitsandbytes(Path path) {
        QuantFormat format = format(path);
        SafetensorsFile file = new SafetensorsFile(path);
        List<String> names = file.entries.keySet().stream()
                .filter(name -> name.endsWith(SOURCE))
                .map(name -> name.substring(0, name.length() - SOURCE.length()))
                .toList();
        assertThat(names).isNotEmpty();
        for (String name : names) {
            try (Device device = TestDevice.open()) {
                SafetensorsFile.Entry source = file.get(name + SOURCE);
                Tensor tensor = Quantized.tensor(device, source.dtype(), source.shape()[0], source.shape()[1]);
                device.copyIn(ByteBuffer.wrap(source.data()), tensor);
                QuantizedMatrix matrix = Quantized.allocate(device, format, tensor.rows(), tensor.cols());
                device.ops().quantization().quantize(tensor, matrix);
                assertParts(device, matrix, file, path + " " + name);
                assertDequantized(device, matrix, file.get(name + ".dequantized"), path + " " + name);
            }
        }
    }

    private static void assertParts(Device device, QuantizedMatrix matrix, SafetensorsFile file, String what) {
        String weight = what.substring(what.lastIndexOf(' ') + 1) + ".weight";
        assertThat(Quantized.bytes(device, matrix.packed()))
                .as("packed weight of %s", what)
                .isEqualTo(file.get(weight).data());
        assertThat(Quantized.bytes(device, matrix.absmax()))
                .as("absmax of %s", what)
                .isEqualTo(file.get(weight + ".absmax").data());
        assertThat(matrix.format().type().levels())
                .isEqualTo(file.get(weight + ".quant_map").floats());
        if (matrix.format().doubleQuant()) {
            assertThat(Quantized.bytes(device, matrix.nestedAbsmax()))
                    .as("nested_absmax of %s", what)
                    .isEqualTo(file.get(weight + ".nested_absmax").data());
            assertThat(DynamicMap.signed())
                    .isEqualTo(file.get(weight + ".nested_quant_map").floats());
            assertThat(Native.getFloat(matrix.nestedOffset().address()))
                    .as("nested_offset of %s", what)
                    .isEqualTo(nestedOffset(file, weight, matrix.format()));
        }
    }

    /** It is in the JSON text of the quant state, as the decimal form of the F32 number's exact value. */
    private static float nestedOffset(SafetensorsFile file, String weight, QuantFormat format) {
        String state = file.get(weight + ".quant_state.bitsandbytes__"
                        + format.type().name().toLowerCase(Locale.ROOT))
                .text();
        Matcher matcher = Pattern.compile("\"nested_offset\": ([-+.eE\\d]+)").matcher(state);
        assertThat(matcher.find()).as(state).isTrue();
        return (float) Double.parseDouble(matcher.group(1));
    }

    private static void assertDequantized(
            Device device, QuantizedMatrix matrix, SafetensorsFile.Entry expected, String what) {
        Tensor exact = Quantized.tensor(device, DType.F32, matrix.rows(), matrix.cols());
        device.ops().quantization().dequantize(matrix, exact);
        byte[] f32 = Quantized.bytes(device, exact);
        if (expected.dtype() != DType.F32) {
            Tensor rounded = Quantized.tensor(device, expected.dtype(), matrix.rows(), matrix.cols());
            device.ops().quantization().dequantize(matrix, rounded);
            assertThat(Quantized.bytes(device, rounded))
                    .as("%s in %s", what, expected.dtype())
                    .isEqualTo(to(expected.dtype(), f32));
        }
        if (BitsandbytesCpu.slips(matrix)) {
            byte[] asFound = to(expected.dtype(), bytes(BitsandbytesCpu.dequantize(matrix, true)));
            assertThat(asFound).as("dequantized %s, with its slips", what).isEqualTo(expected.data());
            assertThat(f32).as("dequantized %s", what).isEqualTo(bytes(BitsandbytesCpu.dequantize(matrix, false)));
        } else {
            assertThat(to(expected.dtype(), f32)).as("dequantized %s", what).isEqualTo(expected.data());
        }
    }

    private static byte[] bytes(float[] values) {
        ByteBuffer out = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        out.asFloatBuffer().put(values);
        return out.array();
    }

    private static byte[] to(DType dtype, byte[] f32) {
        return switch (dtype) {
            case F32 -> f32;
            case BF16 -> halves(f32, BFloat16::round);
            default -> halves(f32, QuantizationReferenceTest::roundToF16);
        };
    }

    private interface Rounding {
        short round(float value);
    }

    private static byte[] halves(byte[] f32, Rounding rounding) {
        ByteBuffer in = ByteBuffer.wrap(f32).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out = ByteBuffer.allocate(f32.length / 2).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            out.putShort(rounding.round(in.getFloat()));
        }
        return out.array();
    }

    /** Nearest even, by scaling so that F64's own rounding to an integer does it. */
    private static short roundToF16(float value) {
        double magnitude = Math.abs((double) value);
        int exponent = Math.max(-14, magnitude == 0 ? -14 : Math.getExponent(magnitude));
        long units = (long) Math.rint(Math.scalb(magnitude, 10 - exponent));
        long bits = ((exponent + 14L) << 10) + units;
        return (short) (bits | (Float.floatToRawIntBits(value) >>> 16 & 0x8000));
    }

    @Test
    void dynamicMapsAreThoseOfBitsandbytes() {
        SafetensorsFile file = new SafetensorsFile(DIR.resolve("dynamic-map.safetensors"));
        assertThat(DynamicMap.signed()).isEqualTo(file.get("signed").floats());
        assertThat(DynamicMap.unsigned()).isEqualTo(file.get("unsigned").floats());
    }
}
