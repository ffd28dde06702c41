// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.QuantizedMatrix;
import java.util.List;
import java.util.function.Function;

/** Several 4-bit matrices as one, each under the one before. */
final class StackedDequantizer implements Dequantizer {

    private final List<QuantizedMatrix> parts;
    private final List<Dequantizer> dequantizers;

    private StackedDequantizer(List<QuantizedMatrix> parts, List<Dequantizer> dequantizers) {
        this.parts = parts;
        this.dequantizers = dequantizers;
    }

    /** @param each all of one order */
    static Dequantizer of(List<QuantizedMatrix> parts, Function<QuantizedMatrix, Dequantizer> each) {
        List<Dequantizer> dequantizers = parts.stream().map(each).toList();
        return parts.size() == 1 ? dequantizers.get(0) : new StackedDequantizer(parts, dequantizers);
    }

    @Override
    public void run(long row, long rows, long col, long cols, long target, long stride) {
        long start = 0;
        for (int i = 0; i < parts.size(); i++) {
            long end = start + parts.get(i).rows();
            long from = Math.max(row, start);
            long to = Math.min(row + rows, end);
            if (from < to) {
                dequantizers
                        .get(i)
                        .run(from - start, to - from, col, cols, target + offset(from - row, stride), stride);
            }
            start = end;
        }
    }

    @Override
    public long offset(long row, long stride) {
        return dequantizers.get(0).offset(row, stride);
    }
}
