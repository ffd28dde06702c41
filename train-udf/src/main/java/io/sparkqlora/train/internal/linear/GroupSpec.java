// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import java.util.List;

/**
 * Linear layers that read the same input and are multiplied in one product, their outputs side by side.
 *
 * @param inFeatures columns of the input
 * @param parts the layers, in the order of their output columns
 * @param quantizable whether a quantised base has it quantised; false for the output projection, as transformers has it
 * @param bias whether each layer has a bias
 */
public record GroupSpec(int inFeatures, List<Part> parts, boolean quantizable, boolean bias) {

    /**
     * One linear layer.
     *
     * @param name its module's full name, {@code model.layers.0.self_attn.q_proj}
     * @param outFeatures rows of its weight
     * @param ordinal a number that no other layer of the model has, for its random streams
     */
    public record Part(String name, int outFeatures, int ordinal) {

        /** The weight's name in the checkpoint. */
        public String weightName() {
            return name + ".weight";
        }

        /** The bias' name in the checkpoint. */
        public String biasName() {
            return name + ".bias";
        }
    }

    public GroupSpec {
        parts = List.copyOf(parts);
    }

    /** Columns of the output: all parts side by side. */
    public int outFeatures() {
        return parts.stream().mapToInt(Part::outFeatures).sum();
    }

    /** The first output column of part {@code index}. */
    public int outStart(int index) {
        return parts.subList(0, index).stream().mapToInt(Part::outFeatures).sum();
    }
}
