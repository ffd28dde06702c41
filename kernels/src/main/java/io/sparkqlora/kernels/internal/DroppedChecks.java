// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DroppedLora.Masks;
import io.sparkqlora.kernels.Tensor;

/** What {@link io.sparkqlora.kernels.DroppedLora} demands of its arguments. */
public final class DroppedChecks {

    private DroppedChecks() {}

    /**
     * @param wide [rows, in]
     * @param flat [layers · rank, in]
     * @param narrow [rows, layers · rank]
     */
    public static void of(Tensor wide, Tensor flat, Masks masks, Tensor narrow) {
        Checks.vector(masks.streamBase(), DType.I64, 1);
        Checks.shape(flat, narrow.cols(), wide.cols());
        Checks.shape(narrow, wide.rows(), flat.rows());
        int layers = masks.streams().size();
        if (layers == 0 || flat.rows() % layers != 0) {
            throw new IllegalArgumentException(
                    flat.rows() + " low-rank columns can't be those of " + layers + " layers");
        }
    }
}
