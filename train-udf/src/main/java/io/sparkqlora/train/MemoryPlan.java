// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.step.SessionPlan;
import io.sparkqlora.train.internal.step.SessionSpec;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How many bytes of device memory training will take, by part, found by running the real step on a device that only counts.
 * The parts add up to what {@link Device#peakBytes()} says after a step of {@code maxTokens} tokens that all count. Not in
 * it: the Java heap, checkpoint pages that the system caches, the CUDA context and what its libraries keep, and what the driver
 * takes for captured graphs (some 10 MiB for each shape of micro-batch that came twice, at most four), and with several ranks what
 * NCCL keeps, and a few bytes with which GPUs join. What is kept in the host's
 * memory, where the device has its own, is counted apart.
 *
 * @param baseWeights decoder layers (quantised or not) and norms; with {@code shard_base} the part of the layers that a rank
 *     keeps, and all norms and biases
 * @param gatheredLayers with {@code shard_base} the room for layers that are whole for a while
 * @param embeddings token embedding, output projection, rotary tables
 * @param adapter F32 masters of the adapter
 * @param shadowCopies the adapter rounded to the compute type
 * @param gradients of the adapter
 * @param optimizerState the optimizer's moments
 * @param activations what the forward pass keeps and the layers' scratch
 * @param lossWorkspace what the logits add to that
 * @param dequantization what weights turned dense for a product add to that
 * @param workspace what the device's operations keep for themselves, however many sequences rows hold
 * @param loading what reading the checkpoint takes beyond the step's buffers, which come after it
 * @param hostEmbedding token embedding in the host's memory
 * @param hostOptimizerState moments in the host's memory
 * @param slots adapters that the parts are counted for
 * @param layersIfSharded what base weights and gathered layers would be with {@code shard_base}; 0 where that can't be set
 */
public record MemoryPlan(
        long baseWeights,
        long gatheredLayers,
        long embeddings,
        long adapter,
        long shadowCopies,
        long gradients,
        long optimizerState,
        long activations,
        long lossWorkspace,
        long dequantization,
        long workspace,
        long loading,
        long hostEmbedding,
        long hostOptimizerState,
        int slots,
        long layersIfSharded) {

    /**
     * Counts.
     *
     * @param device what is trained on
     * @param arguments whose recompute, optim and rows of a micro-batch count here
     * @param maxTokens the most tokens of a micro-batch
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing
     */
    public static MemoryPlan of(
            DeviceTraits device,
            ModelConfig model,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokens) {
        return of(device, model, quantization, lora, arguments, maxTokens, 1);
    }

    /**
     * Counts for several adapters over one base.
     *
     * @param maxTokens the most tokens of a micro-batch, of whichever adapters
     * @param slots adapters that are trained at once
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing
     */
    public static MemoryPlan of(
            DeviceTraits device,
            ModelConfig model,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokens,
            int slots) {
        SessionSpec spec = SessionSpec.of(device, model, quantization, lora, arguments, maxTokens, slots);
        return of(spec, SessionPlan.of(spec), arguments.numProcesses());
    }

    private static MemoryPlan of(SessionSpec spec, SessionPlan plan, int ranks) {
        SessionSpec dense = spec.dense();
        HostBatch largest = HostBatch.largest(spec.maxTokens());
        HostBatch uncounted =
                new HostBatch(largest.inputIds(), largest.positions(), largest.starts(), new int[0], new int[0]);
        long activations = SessionPlan.stepBytes(dense, uncounted);
        long withLoss = SessionPlan.stepBytes(dense, largest);
        long masters = spec.compute() == DType.F32 ? plan.adapter() : plan.gradients();
        return new MemoryPlan(
                plan.baseWeights(),
                plan.gatheredLayers(),
                plan.embeddings(),
                masters,
                plan.adapter() - masters,
                plan.gradients(),
                plan.optimizerState(),
                activations,
                withLoss - activations,
                plan.step() - withLoss,
                plan.workspace(),
                Math.max(0, plan.loading() - plan.step()),
                plan.hostEmbedding(),
                plan.hostOptimizerState(),
                spec.slots(),
                spec.shardable(ranks) ? SessionPlan.layerBytes(spec.sharded(ranks)) : 0);
    }

    /** The most bytes of device memory at once. */
    public long total() {
        return parts().values().stream().mapToLong(Long::longValue).sum();
    }

    /** The most bytes of the host's memory at once, where that is apart from the device's. */
    public long hostTotal() {
        return hostEmbedding + hostOptimizerState;
    }

    /** Bytes of the host's memory by part, in snake case. */
    public Map<String, Long> hostParts() {
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("embedding", hostEmbedding);
        parts.put("optimizer_state", hostOptimizerState);
        return parts;
    }

    /** Bytes of device memory by part, in snake case, in the order of this record. */
    public Map<String, Long> parts() {
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("base_weights", baseWeights);
        parts.put("gathered_layers", gatheredLayers);
        parts.put("embeddings", embeddings);
        parts.put("adapter", adapter);
        parts.put("shadow_copies", shadowCopies);
        parts.put("gradients", gradients);
        parts.put("optimizer_state", optimizerState);
        parts.put("activations", activations);
        parts.put("loss_workspace", lossWorkspace);
        parts.put("dequantization", dequantization);
        parts.put("workspace", workspace);
        parts.put("loading", loading);
        return parts;
    }

    /**
     * Compares with what there is.
     *
     * @param device name of the device, for the error
     * @param availableBytes what can be allocated there
     * @throws io.sparkqlora.kernels.QLoraException RESOURCES, naming need, have, the biggest part and what makes it smaller
     */
    public void requireFits(String device, long availableBytes) {
        if (total() > availableBytes) {
            throw TrainErrors.memoryTooSmall(device, total(), availableBytes, parts(), advice(availableBytes));
        }
    }

    /** As {@link #requireFits(String, long)}; works the parts out only if it does not fit. */
    static void requireFits(SessionSpec spec, SessionPlan plan, int ranks, Device device) {
        long available = device.availableBytes();
        if (plan.total() > available) {
            of(spec, plan, ranks).requireFits(device.name(), available);
        }
    }

    private String advice(long availableBytes) {
        if (layersIfSharded > 0 && total() - baseWeights + layersIfSharded <= availableBytes) {
            return "set shard_base: true, with which each rank keeps a part of the base";
        }
        long base = baseWeights + gatheredLayers + embeddings;
        long trained = adapter + shadowCopies + gradients + optimizerState;
        long step = activations + lossWorkspace + dequantization + workspace;
        if (step >= base && step >= trained) {
            return "set recompute: full, or lower per_device_train_batch_size or max_seq_length";
        }
        if (base >= trained) {
            return "set load_in_4bit: true if it is not, use a smaller model, or a device with more memory";
        }
        return (slots > 1 ? "train fewer adapters at once, " : "") + "lower r or name fewer target_modules";
    }
}
