// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.train.WeightSource;
import java.util.List;

/** A linear layer's weight that is stored quantised. */
public sealed interface StoredWeight permits PackedWeight, Int8Weight {

    /** Of the weight. */
    String name();

    /** out_features. */
    long rows();

    /** in_features. */
    long cols();

    /** Names of the tensors that stand beside it. */
    List<String> parts();

    /** How it is stored, for errors: {@code as QuantFormat[…]}, {@code in 8 bits}. */
    String form();

    /** Bits that a tensor is stored in where it is a quantised weight; else 0. */
    static int bits(WeightSource source, String tensor) {
        if (PackedWeight.isStored(source, tensor)) {
            return 4;
        }
        return Int8Weight.isStored(source, tensor) ? 8 : 0;
    }

    /**
     * Reads how a weight is stored, and checks what belongs to it.
     *
     * @param where what errors call the file
     * @return null where it is not quantised
     * @throws io.sparkqlora.kernels.QLoraException INPUT if something is missing, misshapen, or disagrees
     */
    static StoredWeight find(WeightSource source, String weight, long rows, long cols, String where) {
        return switch (bits(source, weight)) {
            case 4 -> PackedWeight.read(source, weight, rows, cols, where);
            case 8 -> Int8Weight.read(source, weight, rows, cols, where);
            default -> null;
        };
    }
}
