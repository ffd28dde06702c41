// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.StoredQuantization;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.function.UnaryOperator;

/** Compares weights that are stored quantised with what {@code quantization_config} says of them. */
final class StoredWeights {

    private final StoredQuantization says;
    private final WeightSource weights;
    private final UnaryOperator<String> location;
    private final Set<String> stored = new HashSet<>();
    private PackedWeight first;

    private StoredWeights(StoredQuantization says, WeightSource weights, UnaryOperator<String> location) {
        this.says = says;
        this.weights = weights;
        this.location = location;
    }

    /** What was found: the weights that are stored quantised, and the size of their blocks; 0 in 8 bits. */
    record Found(Set<String> names, int blockSize) {}

    static Found check(ModelConfig config, WeightSource weights, UnaryOperator<String> location) {
        StoredWeights stored = new StoredWeights(config.quantization(), weights, location);
        for (GroupSpec group : ModelLayout.of(config).groups()) {
            group.parts().forEach(part -> stored.check(part, group));
        }
        if (stored.stored.isEmpty()) {
            throw CheckpointErrors.configValue(
                    location.apply(""),
                    "quantization_config.llm_int8_skip_modules",
                    String.valueOf(stored.says.skipModules().patterns()),
                    "one that leaves a linear layer quantised");
        }
        return new Found(
                stored.stored, stored.first == null ? 0 : stored.first.format().blockSize());
    }

    private void check(GroupSpec.Part part, GroupSpec group) {
        String name = part.weightName();
        boolean there = says.loadIn8bit() ? Int8Weight.isStored(weights, name) : PackedWeight.isStored(weights, name);
        if (!group.quantizable()) {
            if (there) {
                throw FormatErrors.storedOutput(location.apply(name), name, says.loadIn8bit());
            }
            return;
        }
        if (there == says.skipModules().skips(part.name()) && weights.contains(name)) {
            throw FormatErrors.otherStorage(location.apply(name), name, there, says.loadIn8bit());
        }
        if (!there) {
            return;
        }
        if (says.loadIn8bit()) {
            Int8Weight.read(weights, name, part.outFeatures(), group.inFeatures(), location.apply(name));
        } else {
            requireSame(PackedWeight.read(weights, name, part.outFeatures(), group.inFeatures(), location.apply(name)));
        }
        stored.add(name);
    }

    private void requireSame(PackedWeight weight) {
        requireSame(weight, "quant_type", says.quantType(), weight.format().type());
        requireSame(
                weight,
                "bnb_4bit_use_double_quant",
                says.doubleQuant(),
                weight.format().doubleQuant());
        requireSame(weight, "bnb_4bit_quant_storage", says.storage(), weight.storage());
        if (first == null) {
            first = weight;
        }
        requireSame(
                weight,
                "blocksize",
                says.blockSize() > 0 ? says.blockSize() : first.format().blockSize(),
                weight.format().blockSize());
    }

    private void requireSame(PackedWeight weight, String what, Object expected, Object actual) {
        if (!actual.equals(expected)) {
            throw FormatErrors.badPackedWeight(
                    location.apply(weight.name()),
                    weight.name(),
                    "its " + what + " is " + text(actual) + ", but " + text(expected)
                            + " by quantization_config, or of the weights before it");
        }
    }

    private static String text(Object value) {
        return value.toString().toLowerCase(Locale.ROOT);
    }
}
