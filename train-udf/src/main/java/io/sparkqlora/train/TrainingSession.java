// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import java.util.List;

/** One adapter on one device: the base held in its memory, the adapter, its optimizer, and the step. Not thread-safe. */
public final class TrainingSession implements AutoCloseable {

    private TrainingSession() {}

    /**
     * Loads and quantises the base, makes a fresh adapter as a function of {@code arguments.seed()} alone, and plans and
     * allocates every buffer that a step needs.
     *
     * @param maxTokensPerMicroBatch the most tokens that a micro-batch will have
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing, INPUT if a weight is missing or
     *     misshapen, RESOURCES if the memory does not suffice
     */
    public static TrainingSession open(
            Device device,
            ModelConfig model,
            WeightSource weights,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokensPerMicroBatch) {
        throw new UnsupportedOperationException("being written");
    }

    /**
     * One optimizer step: forward and backward of every micro-batch, gradients normalised by the counted tokens of all of
     * them, clipping, AdamW.
     *
     * @throws io.sparkqlora.kernels.QLoraException DIVERGED on a loss or norm that is not finite: parameters, optimizer and step
     *     are as before the call
     */
    public StepMetrics step(List<List<PackedRow>> microBatches) {
        throw new UnsupportedOperationException("being written");
    }

    /** The loss over rows, dropout off; rows are batched as the session's token limit allows. */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter) {
        throw new UnsupportedOperationException("being written");
    }

    /** A copy of what a run needs to go on. */
    public TrainingState state() {
        throw new UnsupportedOperationException("being written");
    }

    /**
     * Goes on where {@code state} was taken.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors are not those of this adapter
     */
    public void restore(TrainingState state) {
        throw new UnsupportedOperationException("being written");
    }

    /** A copy of the adapter. */
    public Adapter adapter() {
        throw new UnsupportedOperationException("being written");
    }

    /**
     * Replaces the adapter's parameters; the optimizer's moments and the step go back to zero.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors are not those of this session's adapter
     */
    public void loadAdapter(Adapter adapter) {
        throw new UnsupportedOperationException("being written");
    }

    /** Frees the device memory; the device stays open. */
    @Override
    public void close() {}
}
