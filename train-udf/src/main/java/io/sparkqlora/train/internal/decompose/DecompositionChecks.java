// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.decompose;

import io.sparkqlora.train.InitErrors;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.GroupSpec;
import java.util.List;

/** Whether a base can be taken apart for an adapter to begin with. */
public final class DecompositionChecks {

    private DecompositionChecks() {}

    /**
     * Checks before anything is read.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with what stands in the way
     */
    public static void check(
            ModelConfig model,
            QuantizationConfig quantization,
            LoraConfig lora,
            AdapterLayout adapter,
            List<GroupSpec> groups,
            TrainingArguments arguments) {
        InitLoraWeights init = lora.initLoraWeights();
        if (!init.decomposes()) {
            return;
        }
        if (model.quantization() != null) {
            throw InitErrors.storedQuantized(init);
        }
        if (init.changesBase() && arguments.preference() != null) {
            throw InitErrors.withoutReference(init);
        }
        for (GroupSpec group : groups) {
            for (GroupSpec.Part part : group.parts()) {
                if (adapter.modules().contains(part.name())) {
                    check(quantization, lora, group, part);
                    if (model.tieWordEmbeddings() && part.name().equals("lm_head")) {
                        throw InitErrors.tied(init, part.name());
                    }
                }
            }
        }
    }

    private static void check(QuantizationConfig quantization, LoraConfig lora, GroupSpec group, GroupSpec.Part part) {
        InitLoraWeights init = lora.initLoraWeights();
        int rank = lora.r(part.name());
        if (rank > Math.min(part.outFeatures(), group.inFeatures())) {
            throw InitErrors.rankTooHigh(init, part.name(), rank, part.outFeatures(), group.inFeatures());
        }
        boolean in4bit = quantization.loadIn4bit();
        if (init.kind() == InitLoraWeights.Kind.LOFTQ
                && !(in4bit && quantization.quantizes(group.quantizable(), part.name()))) {
            throw InitErrors.loftqWithoutLoss(part.name(), in4bit);
        }
    }
}
