// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.VectorwiseInt8;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.Int8Checks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Kernels in int8.cu. Quantising waits for the device, since it looks at what it found. */
final class CudaVectorwiseInt8 implements VectorwiseInt8 {

    private static final int THREADS = 256;
    private static final int WIDTH = 16; // codes of a thread, and the alignment of their rows in bytes
    private static final long MAX_GRID_ROWS = 65535;

    private final Device device;
    private final Launcher launcher;
    private final CudaKernel quantize;
    private final Variants dequantize;

    CudaVectorwiseInt8(Device device, Launcher launcher, CudaKernel.Library library) {
        this.device = device;
        this.launcher = launcher;
        this.quantize = library.kernel("int8", "int8_quantize_rows");
        this.dequantize = Variants.of(library, "int8", "int8_dequantize_16", "int8_dequantize_1");
    }

    @Override
    public void quantize(Tensor source, Tensor codes, Tensor absmax) {
        Int8Checks.parts(codes, absmax, source);
        Checks.floating(source);
        launcher.of(quantize)
                .moves(codes, source)
                .matrix(source)
                .number(source.cols())
                .address(codes)
                .address(absmax)
                .over(source.rows(), 1, 1, THREADS);
        checkFinite(source, read(absmax));
    }

    private void checkFinite(Tensor source, ByteBuffer largest) {
        for (int row = 0; row < source.rows(); row++) {
            if (!Float.isFinite(largest.getFloat(row * Float.BYTES))) {
                throw unusable(source, row);
            }
        }
    }

    /** The first element of the row that is to blame. */
    private RuntimeException unusable(Tensor source, int row) {
        ByteBuffer bytes = read(source.rowRange(row, row + 1L));
        for (int col = 0; col < source.cols(); col++) {
            float value = value(bytes, source.dtype(), col);
            if (!(Math.abs(value) < Int8Checks.HALF_OVERFLOW)) {
                return Int8Checks.unusable(row, col, value);
            }
        }
        throw new IllegalStateException("row " + row + " has a scale that isn't finite, and only finite elements");
    }

    private static float value(ByteBuffer row, DType dtype, int col) {
        return switch (dtype) {
            case F32 -> row.getFloat(col * Float.BYTES);
            case BF16 -> Float.intBitsToFloat(row.getShort(col * Short.BYTES) << 16);
                // of halves only infinities and not-a-numbers matter here
            case F16 -> (row.getShort(col * Short.BYTES) & 0x7c00) == 0x7c00 ? Float.POSITIVE_INFINITY : 0;
            default -> throw KernelErrors.unsupportedDType(dtype, "F32, BF16 and F16");
        };
    }

    private ByteBuffer read(Tensor tensor) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(tensor.bytes())).order(ByteOrder.nativeOrder());
        device.copyOut(tensor, bytes);
        return bytes.clear();
    }

    @Override
    public void dequantize(Tensor codes, Tensor absmax, Tensor out) {
        Int8Checks.parts(codes, absmax, out);
        Checks.floating(out);
        boolean aligned = out.cols() % WIDTH == 0 && codes.address() % WIDTH == 0 && Rectangle.aligned(out);
        Rectangle walk = Rectangle.byRow(out);
        long perBlock = (long) THREADS * (aligned ? WIDTH : 1);
        launcher.of(dequantize.of(aligned ? walk : walk.narrow(), out))
                .moves(out, codes, absmax)
                .address(codes)
                .address(absmax)
                .matrix(out)
                .number(out.rows())
                .number(out.cols())
                .over((out.cols() + perBlock - 1) / perBlock, Math.min(out.rows(), MAX_GRID_ROWS), 1, THREADS);
    }
}
