// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Map;

/** Collects {@link TrainingArguments}; what is not set has transformers' default. */
public final class TrainingArgumentsBuilder {

    private double learningRate = 5e-5;
    private LrSchedulerType lrSchedulerType = LrSchedulerType.LINEAR;
    private Map<String, Double> lrSchedulerKwargs = Map.of();
    private int warmupSteps;
    private double warmupRatio;
    private int maxSteps = -1;
    private double numTrainEpochs = 3;
    private int perDeviceTrainBatchSize = 8;
    private int gradientAccumulationSteps = 1;
    private int numProcesses = 1;
    private boolean shardBase;
    private double maxGradNorm = 1;
    private double weightDecay;
    private double labelSmoothingFactor;
    private double neftuneNoiseAlpha;
    private double adamBeta1 = 0.9;
    private double adamBeta2 = 0.999;
    private double adamEpsilon = 1e-8;
    private double loraplusLrRatio = 1;
    private Optim optim = Optim.ADAMW_TORCH;
    private long seed = 42;
    private PreferenceArguments preference;
    private Recompute recompute = Recompute.NONE;

    TrainingArgumentsBuilder() {}

    TrainingArgumentsBuilder(TrainingArguments from) {
        learningRate = from.learningRate();
        lrSchedulerType = from.lrSchedulerType();
        lrSchedulerKwargs = from.lrSchedulerKwargs();
        warmupSteps = from.warmupSteps();
        warmupRatio = from.warmupRatio();
        maxSteps = from.maxSteps();
        numTrainEpochs = from.numTrainEpochs();
        perDeviceTrainBatchSize = from.perDeviceTrainBatchSize();
        gradientAccumulationSteps = from.gradientAccumulationSteps();
        numProcesses = from.numProcesses();
        shardBase = from.shardBase();
        maxGradNorm = from.maxGradNorm();
        weightDecay = from.weightDecay();
        labelSmoothingFactor = from.labelSmoothingFactor();
        neftuneNoiseAlpha = from.neftuneNoiseAlpha();
        adamBeta1 = from.adamBeta1();
        adamBeta2 = from.adamBeta2();
        adamEpsilon = from.adamEpsilon();
        loraplusLrRatio = from.loraplusLrRatio();
        optim = from.optim();
        seed = from.seed();
        preference = from.preference();
        recompute = from.recompute();
    }

    /** The schedule's top; 5e-5. */
    public TrainingArgumentsBuilder learningRate(double value) {
        learningRate = value;
        return this;
    }

    /** The schedule; linear. */
    public TrainingArgumentsBuilder lrSchedulerType(LrSchedulerType value) {
        lrSchedulerType = value;
        return this;
    }

    /** The schedule's options, by transformers' names; none. */
    public TrainingArgumentsBuilder lrSchedulerKwargs(Map<String, Double> value) {
        lrSchedulerKwargs = value;
        return this;
    }

    /** Steps of linear warm-up; 0. */
    public TrainingArgumentsBuilder warmupSteps(int value) {
        warmupSteps = value;
        return this;
    }

    /** Warm-up as a part of all steps; 0. */
    public TrainingArgumentsBuilder warmupRatio(double value) {
        warmupRatio = value;
        return this;
    }

    /** Optimizer steps of the run, -1 to go by epochs; -1. */
    public TrainingArgumentsBuilder maxSteps(int value) {
        maxSteps = value;
        return this;
    }

    /** Passes over the data; 3. */
    public TrainingArgumentsBuilder numTrainEpochs(double value) {
        numTrainEpochs = value;
        return this;
    }

    /** Packed rows of a micro-batch; 8. */
    public TrainingArgumentsBuilder perDeviceTrainBatchSize(int value) {
        perDeviceTrainBatchSize = value;
        return this;
    }

    /** Micro-batches of an optimizer step; 1. */
    public TrainingArgumentsBuilder gradientAccumulationSteps(int value) {
        gradientAccumulationSteps = value;
        return this;
    }

    /** Ranks that train together; 1. */
    public TrainingArgumentsBuilder numProcesses(int value) {
        numProcesses = value;
        return this;
    }

    /** Whether each rank keeps only its part of the quantised weights; false. */
    public TrainingArgumentsBuilder shardBase(boolean value) {
        shardBase = value;
        return this;
    }

    /** Norm that gradients are clipped to; 1. */
    public TrainingArgumentsBuilder maxGradNorm(double value) {
        maxGradNorm = value;
        return this;
    }

    /** Weight decay; 0. */
    public TrainingArgumentsBuilder weightDecay(double value) {
        weightDecay = value;
        return this;
    }

    /** How much of a label's probability is spread over the vocabulary; 0. */
    public TrainingArgumentsBuilder labelSmoothingFactor(double value) {
        labelSmoothingFactor = value;
        return this;
    }

    /** Noise on the embeddings while training; 0 for none. */
    public TrainingArgumentsBuilder neftuneNoiseAlpha(double value) {
        neftuneNoiseAlpha = value;
        return this;
    }

    /** Decay of the first moment; 0.9. */
    public TrainingArgumentsBuilder adamBeta1(double value) {
        adamBeta1 = value;
        return this;
    }

    /** Decay of the second moment; 0.999. */
    public TrainingArgumentsBuilder adamBeta2(double value) {
        adamBeta2 = value;
        return this;
    }

    /** Added to the root of the second moment; 1e-8. */
    public TrainingArgumentsBuilder adamEpsilon(double value) {
        adamEpsilon = value;
        return this;
    }

    /** LoRA+: the learning rate of B by that of A; 1. */
    public TrainingArgumentsBuilder loraplusLrRatio(double value) {
        loraplusLrRatio = value;
        return this;
    }

    /** The optimizer; AdamW with moments in 32 bits on the device. */
    public TrainingArgumentsBuilder optim(Optim value) {
        optim = value;
        return this;
    }

    /** Seed of everything random; 42. */
    public TrainingArgumentsBuilder seed(long value) {
        seed = value;
        return this;
    }

    /** What is kept for backward; none. */
    public TrainingArgumentsBuilder recompute(Recompute value) {
        recompute = value;
        return this;
    }

    /** What is learned of pairs of sequences, of which one is preferred; null, the default, learns to predict tokens. */
    public TrainingArgumentsBuilder preference(PreferenceArguments value) {
        preference = value;
        return this;
    }

    /**
     * The arguments.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for a value out of range
     */
    public TrainingArguments build() {
        return new TrainingArguments(
                learningRate,
                lrSchedulerType,
                lrSchedulerKwargs,
                warmupSteps,
                warmupRatio,
                maxSteps,
                numTrainEpochs,
                perDeviceTrainBatchSize,
                gradientAccumulationSteps,
                numProcesses,
                shardBase,
                maxGradNorm,
                weightDecay,
                labelSmoothingFactor,
                neftuneNoiseAlpha,
                adamBeta1,
                adamBeta2,
                adamEpsilon,
                loraplusLrRatio,
                optim,
                seed,
                preference,
                recompute);
    }
}
