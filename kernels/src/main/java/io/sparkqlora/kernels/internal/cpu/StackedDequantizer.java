// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantizedMatrix;
import java.util.List;

/** Several 4-bit matrices as one, each under the one before. */
final class StackedDequantizer implements Dequantizer {

    private final List<QuantizedMatrix> parts;
    private final List<Dequantizer> dequantizers;

    StackedDequantizer(List<QuantizedMatrix> parts, DType out) {
        this.parts = parts;
        this.dequantizers =
                parts.stream().map(part -> Dequantizer.of(part, out)).toList();
    }

    @Override
    public void run(long row, long rows, long col, long cols, long target, long rowBytes) {
        long start = 0;
        for (int i = 0; i < parts.size(); i++) {
            long end = start + parts.get(i).rows();
            long from = Math.max(row, start);
            long to = Math.min(row + rows, end);
            if (from < to) {
                dequantizers.get(i).run(from - start, to - from, col, cols, target + (from - row) * rowBytes, rowBytes);
            }
            start = end;
        }
    }
}
