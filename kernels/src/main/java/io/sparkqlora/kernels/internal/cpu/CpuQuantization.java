// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Quantization;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** 4-bit block formats on the CPU, parallel over blocks and over rows. */
final class CpuQuantization implements Quantization {

    /** Fewest elements worth handing to a thread. */
    private static final int GRAIN = 1 << 15;

    private final Workers workers;

    CpuQuantization(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void quantize(Tensor source, QuantizedMatrix out) {
        Checks.shape(source, out.rows(), out.cols());
        Checks.contiguous(source);
        checkParts(out);
        QuantFormat format = out.format();
        float[] scales = new float[Math.toIntExact(format.blocks(source.size()))];
        BlockQuantizer quantizer = new BlockQuantizer(format);
        workers.forRange(
                scales.length,
                Math.max(1, GRAIN / format.blockSize()),
                (from, to) -> quantizer.quantize(source, from, to, out.packed(), scales));
        if (format.doubleQuant()) {
            ScaleCodec.encode(scales, out);
        } else {
            Native.store(scales, 0, scales.length, out.absmax().address());
        }
    }

    @Override
    public void dequantize(QuantizedMatrix source, Tensor out) {
        Checks.shape(out, source.rows(), source.cols());
        checkParts(source);
        long grain = Math.max(1, GRAIN / Math.max(1, source.cols()));
        long rowBytes = out.rowStride() * out.dtype().bytes();
        workers.forRange(source.rows(), grain, (from, to) -> Dequantizer.of(source, out.dtype())
                .run(from, to - from, 0, source.cols(), out.address(from), rowBytes));
    }

    private static void checkParts(QuantizedMatrix matrix) {
        QuantFormat format = matrix.format();
        check(matrix.packed(), DType.U8, (matrix.size() + 1) / 2, "packed");
        check(matrix.absmax(), format.doubleQuant() ? DType.U8 : DType.F32, format.blocks(matrix.size()), "absmax");
        if (format.doubleQuant()) {
            check(matrix.nestedAbsmax(), DType.F32, format.nestedBlocks(matrix.size()), "nested absmax");
            check(matrix.nestedOffset(), DType.F32, 1, "nested offset");
        }
    }

    private static void check(Tensor part, DType dtype, long size, String name) {
        if (part == null || part.dtype() != dtype || part.size() != size || !part.contiguous()) {
            throw new IllegalArgumentException("the " + name + " of a quantised matrix must be " + size + " contiguous "
                    + dtype + ", not " + part);
        }
    }
}
