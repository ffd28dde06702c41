// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Quantization;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A device that dequantises as bitsandbytes' AVX-512 kernel does on a CPU, for references made there.
 *
 * <p>A block of 64 elements runs on from one row to the next, and quantisation, the CUDA kernels and the scalar CPU kernel
 * agree on that. The AVX-512 kernel (bitsandbytes 0.50, {@code dequantizeBlockwise4bitCpu}), taken where the columns are a
 * multiple of 16, looks the scale of element (i, j) up at {@code i · (columns / 64) + j / 64}: another block's scale wherever
 * the columns are no multiple of 64. The product reads the format as it was written; a reference with such weights can only
 * be compared after the same slip.
 */
final class RowWiseScales implements Quantization {

    private static final int VECTOR = 16;

    private final Device device;
    private final Quantization real;

    private RowWiseScales(Device device) {
        this.device = device;
        real = device.ops().quantization();
    }

    /** {@code device} with the other dequantisation. */
    static Device on(Device device) {
        return Replaced.quantization(device, new RowWiseScales(device));
    }

    /** Whether the kernel's slip concerns weights of so many columns. */
    static boolean concerns(long columns) {
        return columns % VECTOR == 0 && columns % QuantizationConfig.DEFAULT_BLOCK_SIZE != 0;
    }

    @Override
    public void quantize(Tensor source, QuantizedMatrix out) {
        real.quantize(source, out);
    }

    @Override
    public void dequantize(QuantizedMatrix source, Tensor out) {
        if (!concerns(source.cols())) {
            real.dequantize(source, out);
            return;
        }
        float[] levels = source.format().type().levels();
        float[] scales = scales(source);
        ByteBuffer packed = read(source.packed());
        int cols = (int) source.cols();
        int block = source.format().blockSize();
        for (int row = 0; row < source.rows(); row++) {
            ByteBuffer values =
                    ByteBuffer.allocateDirect(cols * out.dtype().bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (int col = 0; col < cols; col++) {
                int element = row * cols + col;
                int pair = packed.get(element / 2);
                int code = element % 2 == 0 ? (pair >> 4) & 0xF : pair & 0xF;
                put(levels[code] * scales[row * (cols / block) + col / block], out.dtype(), values);
            }
            device.copyIn(values.flip(), out.rowRange(row, row + 1));
        }
    }

    private static void put(float value, DType dtype, ByteBuffer to) {
        // to the nearest, ties to even
        if (dtype == DType.BF16) {
            int bits = Float.floatToRawIntBits(value);
            to.putShort((short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16));
        } else if (dtype == DType.F16) {
            // of normal halves: adding what makes the last bit of a half the last of an F32 drops the others
            float aligner = Math.max(0.5f, Math.scalb(1f, Math.getExponent(value) + 13));
            float magnitude = Math.abs(value) + aligner - aligner;
            to.putShort(half(Math.copySign(magnitude, value)));
        } else {
            to.putFloat(value);
        }
    }

    /** Of a number that is a half. */
    private static short half(float value) {
        float magnitude = Math.abs(value);
        int sign = value < 0 ? 0x8000 : 0;
        if (magnitude < 0x1p-14f) {
            return (short) (sign | (int) (magnitude * 0x1p24f));
        }
        int bits = Float.floatToRawIntBits(magnitude);
        return (short) (sign | ((bits - (112 << 23)) >> 13));
    }

    private float[] scales(QuantizedMatrix source) {
        float[] map = DynamicMap.signed();
        ByteBuffer codes = read(source.absmax());
        ByteBuffer nested = read(source.nestedAbsmax());
        float offset = read(source.nestedOffset()).getFloat(0);
        float[] scales = new float[codes.remaining()];
        for (int i = 0; i < scales.length; i++) {
            float scale = nested.getFloat(i / QuantFormat.NESTED_BLOCK_SIZE * Float.BYTES);
            scales[i] = map[codes.get(i) & 0xFF] * scale + offset;
        }
        return scales;
    }

    private ByteBuffer read(Tensor tensor) {
        ByteBuffer bytes = ByteBuffer.allocateDirect((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(tensor, bytes);
        return bytes;
    }
}
