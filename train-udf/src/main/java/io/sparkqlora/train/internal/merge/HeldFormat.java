// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.checkpoint.PackedWeight;
import io.sparkqlora.train.internal.checkpoint.StoredWeight;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How a weight that is quantised is held.
 *
 * @param format type, block size, double quantisation; null for 8 bits
 * @param stored where it is stored so, or null where it is quantised when it is read
 */
public record HeldFormat(QuantFormat format, StoredWeight stored) {

    /** The weights of a base that are quantised, by name. */
    public static Map<String, HeldFormat> of(
            ModelLayout layout, WeightSource weights, QuantizationConfig quantization) {
        Map<String, HeldFormat> held = new LinkedHashMap<>();
        for (GroupSpec group : layout.groups()) {
            for (GroupSpec.Part part : group.parts()) {
                if (quantization.quantizes(group.quantizable(), part.name())) {
                    held.put(part.weightName(), of(weights, part, group, quantization));
                }
            }
        }
        return held;
    }

    private static HeldFormat of(
            WeightSource weights, GroupSpec.Part part, GroupSpec group, QuantizationConfig quantization) {
        StoredWeight stored =
                StoredWeight.find(weights, part.weightName(), part.outFeatures(), group.inFeatures(), "the base");
        if (stored instanceof PackedWeight packed) {
            return new HeldFormat(packed.format(), packed);
        }
        return new HeldFormat(quantization.loadIn8bit() ? null : quantization.format(), stored);
    }
}
