// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/** The frozen weight of a group of linear layers, [outFeatures, inFeatures]. */
public sealed interface BaseWeight {

    /**
     * The weight in the type of the pass with {@code extra} more columns on the right, whose contents are the caller's to
     * write. It may be scratch on top of the arena: it lives until the caller releases that.
     */
    Tensor matrix(Pass pass, int extra);

    /**
     * Kept as it is multiplied.
     *
     * @param storage [outFeatures, inFeatures + the most extra columns ever asked for]
     * @param inFeatures columns of the weight itself
     */
    record Dense(Tensor storage, int inFeatures) implements BaseWeight {

        @Override
        public Tensor matrix(Pass pass, int extra) {
            return storage.colRange(0, inFeatures + extra);
        }

        /** The weight without extra columns. */
        public Tensor weight() {
            return storage.colRange(0, inFeatures);
        }
    }

    /** Kept in 4 bits, each layer of the group for itself, and dequantised for each product. */
    record Quantized(List<QuantizedMatrix> parts) implements BaseWeight {

        public Quantized {
            parts = List.copyOf(parts);
        }

        @Override
        public Tensor matrix(Pass pass, int extra) {
            long rows = parts.stream().mapToLong(QuantizedMatrix::rows).sum();
            long cols = parts.get(0).cols();
            Tensor dense = pass.matrix(rows, cols + extra);
            long from = 0;
            for (QuantizedMatrix part : parts) {
                Tensor target = dense.rowRange(from, from + part.rows()).colRange(0, cols);
                pass.ops().quantization().dequantize(part, target);
                from += part.rows();
            }
            return dense;
        }
    }
}
