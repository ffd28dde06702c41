// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Map;

/**
 * How to train, with the names, defaults and meanings of transformers' {@code TrainingArguments}.
 *
 * @param learningRate the schedule's top
 * @param lrSchedulerType the schedule
 * @param lrSchedulerKwargs the schedule's options, by transformers' names
 * @param warmupSteps steps of linear warm-up; takes precedence over the ratio
 * @param warmupRatio warm-up as a part of all steps, rounded up
 * @param maxSteps optimizer steps of the whole run; −1 to derive it from the epochs
 * @param numTrainEpochs passes over the data, where {@code maxSteps} is −1
 * @param perDeviceTrainBatchSize packed rows of a micro-batch
 * @param gradientAccumulationSteps micro-batches of an optimizer step, on each rank
 * @param numProcesses ranks that train together, accelerate's name
 * @param shardBase whether each rank keeps only its part of the decoder layers' quantised weights
 * @param maxGradNorm gradients are scaled down to this norm; 0 for no clipping
 * @param weightDecay the optimizer's weight decay; SGD's is part of the gradient
 * @param labelSmoothingFactor how much of a label's probability is spread over the vocabulary
 * @param neftuneNoiseAlpha noise on the embeddings while training, of ±alpha / √(sequence length · hidden size); 0 for none
 * @param adamBeta1 decay of the first moment
 * @param adamBeta2 decay of the second moment
 * @param adamEpsilon added to the root of the second moment
 * @param loraplusLrRatio LoRA+: the learning rate of {@code B} by that of {@code A}
 * @param optim the optimizer
 * @param seed of initialisation, data order and dropout
 * @param preference what is learned of pairs, of which one is preferred; null: to predict tokens
 * @param recompute what is kept for backward; transformers' {@code gradient_checkpointing} is {@link Recompute#FULL}
 */
public record TrainingArguments(
        double learningRate,
        LrSchedulerType lrSchedulerType,
        Map<String, Double> lrSchedulerKwargs,
        int warmupSteps,
        double warmupRatio,
        int maxSteps,
        double numTrainEpochs,
        int perDeviceTrainBatchSize,
        int gradientAccumulationSteps,
        int numProcesses,
        boolean shardBase,
        double maxGradNorm,
        double weightDecay,
        double labelSmoothingFactor,
        double neftuneNoiseAlpha,
        double adamBeta1,
        double adamBeta2,
        double adamEpsilon,
        double loraplusLrRatio,
        Optim optim,
        long seed,
        PreferenceArguments preference,
        Recompute recompute) {

    /** Micro-batches of a step that dropout's random streams can tell apart. */
    private static final int MOST_BATCHES = 1 << 16;

    public TrainingArguments {
        lrSchedulerKwargs = Map.copyOf(lrSchedulerKwargs);
        check("learning_rate", learningRate, Double.isFinite(learningRate) && learningRate >= 0, "at least 0");
        SchedulerKwargs.check(lrSchedulerType, lrSchedulerKwargs, learningRate);
        check("warmup_steps", warmupSteps, warmupSteps >= 0, "at least 0");
        check("warmup_ratio", warmupRatio, warmupRatio >= 0 && warmupRatio <= 1, "between 0 and 1");
        check("max_steps", maxSteps, maxSteps > 0 || maxSteps == -1, "at least 1, or -1 to go by num_train_epochs");
        check("num_train_epochs", numTrainEpochs, maxSteps > 0 || numTrainEpochs > 0, "above 0");
        check("per_device_train_batch_size", perDeviceTrainBatchSize, perDeviceTrainBatchSize > 0, "at least 1");
        check("gradient_accumulation_steps", gradientAccumulationSteps, gradientAccumulationSteps > 0, "at least 1");
        check("num_processes", numProcesses, numProcesses > 0, "at least 1");
        check("shard_base", shardBase, !shardBase || numProcesses > 1, "false where num_processes is 1");
        check(
                "gradient_accumulation_steps",
                gradientAccumulationSteps,
                (long) gradientAccumulationSteps * numProcesses <= MOST_BATCHES,
                "at most " + MOST_BATCHES + " / num_processes");
        check("max_grad_norm", maxGradNorm, maxGradNorm >= 0, "at least 0");
        check("weight_decay", weightDecay, weightDecay >= 0, "at least 0");
        check(
                "label_smoothing_factor",
                labelSmoothingFactor,
                labelSmoothingFactor >= 0 && labelSmoothingFactor < 1,
                "at least 0 and below 1");
        check(
                "neftune_noise_alpha",
                neftuneNoiseAlpha,
                Double.isFinite(neftuneNoiseAlpha) && neftuneNoiseAlpha >= 0,
                "at least 0");
        check("adam_beta1", adamBeta1, adamBeta1 >= 0 && adamBeta1 < 1, "at least 0 and below 1");
        check("adam_beta2", adamBeta2, adamBeta2 >= 0 && adamBeta2 < 1, "at least 0 and below 1");
        check("adam_epsilon", adamEpsilon, adamEpsilon >= 0, "at least 0");
        if (preference != null) {
            PreferenceArguments.requireAlone(labelSmoothingFactor, neftuneNoiseAlpha, shardBase);
        }
        check("loraplus_lr_ratio", loraplusLrRatio, Double.isFinite(loraplusLrRatio) && loraplusLrRatio > 0, "above 0");
    }

    static void check(String name, Object value, boolean valid, String expected) {
        if (!valid) {
            throw TrainErrors.badArgument(name, value, expected);
        }
    }

    /** In how many parts the base is held, each by a rank. */
    public int shards() {
        return shardBase ? numProcesses : 1;
    }

    /** Micro-batches of an optimizer step, those of all ranks. */
    public int batchesPerStep() {
        return gradientAccumulationSteps * numProcesses;
    }

    /** Packed rows of an optimizer step, those of all ranks: transformers' total train batch size. */
    public int rowsPerStep() {
        return Math.multiplyExact(perDeviceTrainBatchSize, batchesPerStep());
    }

    /**
     * Optimizer steps of one epoch over {@code rows} packed rows, as transformers counts them: the last batch may be short,
     * and so may the last accumulation.
     */
    public long stepsPerEpoch(long rows) {
        long batches = ceilDiv(rows, perDeviceTrainBatchSize);
        return Math.max(1, ceilDiv(batches, batchesPerStep()));
    }

    private static long ceilDiv(long a, long b) {
        return (a + b - 1) / b;
    }

    /** Optimizer steps of the run over {@code rows} packed rows: {@code maxSteps}, or what the epochs come to. */
    public long totalSteps(long rows) {
        return maxSteps > 0 ? maxSteps : (long) Math.ceil(numTrainEpochs * stepsPerEpoch(rows));
    }

    /** Steps of warm-up in a run of {@code totalSteps}. */
    public long effectiveWarmupSteps(long totalSteps) {
        return warmupSteps > 0 ? warmupSteps : (long) Math.ceil(totalSteps * warmupRatio);
    }

    /** The same with a definite number of steps. */
    public TrainingArguments withMaxSteps(int steps) {
        return toBuilder().maxSteps(steps).build();
    }

    /** A builder with transformers' defaults. */
    public static TrainingArgumentsBuilder builder() {
        return new TrainingArgumentsBuilder();
    }

    /** A builder with these values. */
    public TrainingArgumentsBuilder toBuilder() {
        return new TrainingArgumentsBuilder(this);
    }
}
