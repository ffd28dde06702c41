// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.SavedModuleErrors;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainedPartErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.decompose.DecompositionChecks;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.linear.SkippedLayers;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.List;
import java.util.Set;

/**
 * Everything that decides what a session holds in memory.
 *
 * @param device what it is held on
 * @param model the base's shape
 * @param quantization how it is held
 * @param lora the adapter
 * @param recompute what is kept for backward
 * @param optim how the moments are held
 * @param loraPlus whether {@code B}s have a learning rate of their own
 * @param shards parts that the layers' quantised weights are held in, each by a rank; 1: every rank has all of them
 * @param maxTokens the most tokens of a micro-batch
 * @param slots adapters that it has at once
 * @param preference what pairs cost; null where rows are no pairs
 * @param layout the base's linear layers
 * @param adapter the adapter's tensors
 */
public record SessionSpec(
        DeviceTraits device,
        ModelConfig model,
        QuantizationConfig quantization,
        LoraConfig lora,
        Recompute recompute,
        Optim optim,
        boolean loraPlus,
        int shards,
        int maxTokens,
        int slots,
        PreferenceLoss.Dpo preference,
        ModelLayout layout,
        AdapterLayout adapter) {

    /**
     * Works out layout and adapter.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing, or the base can't be sharded
     */
    public static SessionSpec of(
            DeviceTraits device,
            ModelConfig model,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokens,
            int slots) {
        requireShardable(quantization, lora, arguments);
        requireSavable(lora, arguments, slots);
        ModelLayout layout = ModelLayout.of(model);
        SkippedLayers.check(model, quantization, layout);
        LoraTargets.requirePatternsUsed(lora, LoraTargets.resolve(lora, layout.moduleNames()));
        AdapterLayout adapter = layout.adapter(lora);
        DecompositionChecks.check(model, quantization, lora, adapter, layout.groups(), arguments);
        return new SessionSpec(
                device,
                model,
                quantization,
                lora,
                arguments.recompute(),
                arguments.optim(),
                arguments.loraplusLrRatio() != 1,
                arguments.shards(),
                maxTokens,
                slots,
                arguments.preference() == null ? null : arguments.preference().dpo(),
                layout,
                adapter);
    }

    /**
     * The rows of a micro-batch, laid out.
     *
     * @param what they are, for the error
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a token is outside the vocabulary, or rows that should be are no pairs,
     *     CONFIG if there are too many
     */
    HostBatch layOut(String what, List<PackedRow> rows) {
        if (preference != null) {
            HostBatch.requirePairs(rows);
        }
        HostBatch batch = HostBatch.of(rows, model.vocabSize());
        if (batch.tokens() > maxTokens) {
            throw TrainErrors.tooManyTokens(what, batch.tokens(), maxTokens);
        }
        return batch;
    }

    private static void requireShardable(
            QuantizationConfig quantization, LoraConfig lora, TrainingArguments arguments) {
        if (arguments.shardBase() && !quantization.quantized()) {
            throw CollectiveErrors.shardNeedsQuantized();
        }
        if (arguments.shardBase() && lora.useDora()) {
            throw TrainedPartErrors.doraOverShards();
        }
    }

    private static void requireSavable(LoraConfig lora, TrainingArguments arguments, int slots) {
        if (!lora.modulesToSave().isEmpty() && arguments.preference() != null) {
            throw SavedModuleErrors.withPreferences();
        }
        if (!lora.modulesToSave().isEmpty() && slots > 1) {
            throw SavedModuleErrors.severalAdapters();
        }
    }

    /** The same with a base that is not quantised. */
    public SessionSpec dense() {
        return new SessionSpec(
                device,
                model,
                quantization.unquantized(),
                lora,
                recompute,
                optim,
                loraPlus,
                1,
                maxTokens,
                slots,
                preference,
                layout,
                adapter);
    }

    /** Whether so many ranks could each keep a part of the base, and don't. */
    public boolean shardable(int ranks) {
        return shards == 1 && ranks > 1 && quantization.quantized() && !lora.useDora();
    }

    /** The same with a base in so many parts. */
    public SessionSpec sharded(int parts) {
        return new SessionSpec(
                device,
                model,
                quantization,
                lora,
                recompute,
                optim,
                loraPlus,
                parts,
                maxTokens,
                slots,
                preference,
                layout,
                adapter);
    }

    /** The base that this session's adapters begin on. */
    public DecomposedBase decomposed() {
        return DecomposedBase.toBegin(lora, Set.copyOf(adapter.modules()));
    }

    /** Numbers that are added up over a step: the loss, and of pairs what is told beside it. */
    int losses() {
        return preference == null ? 1 : PreferenceLoss.NUMBERS;
    }

    /** Type of products and activations. */
    public DType compute() {
        return quantization.bnb4bitComputeDtype().dtype();
    }
}
