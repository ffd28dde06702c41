// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.Param;

/** {@link QLoraEstimator}'s setters of {@link QLoraTrainingParams}; each gives the estimator. */
abstract class QLoraTrainingSetters extends Estimator<QLoraModel> implements QLoraParams {

    private static final long serialVersionUID = 1L;

    /** Sets a parameter. */
    abstract <T> QLoraEstimator with(Param<T> param, T value);

    /** {@link TrainingKeys#LEARNING_RATE}. */
    public QLoraEstimator setLearningRate(double value) {
        return with(learningRate(), value);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_TYPE}. */
    public QLoraEstimator setLrSchedulerType(String value) {
        return with(lrSchedulerType(), value);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_KWARGS}. */
    public QLoraEstimator setLrSchedulerKwargs(String value) {
        return with(lrSchedulerKwargs(), value);
    }

    /** {@link TrainingKeys#WARMUP_STEPS}. */
    public QLoraEstimator setWarmupSteps(int value) {
        return with(warmupSteps(), value);
    }

    /** {@link TrainingKeys#WARMUP_RATIO}. */
    public QLoraEstimator setWarmupRatio(double value) {
        return with(warmupRatio(), value);
    }

    /** {@link TrainingKeys#MAX_STEPS}. */
    public QLoraEstimator setMaxSteps(int value) {
        return with(maxSteps(), value);
    }

    /** {@link TrainingKeys#NUM_TRAIN_EPOCHS}. */
    public QLoraEstimator setNumTrainEpochs(double value) {
        return with(numTrainEpochs(), value);
    }

    /** {@link TrainingKeys#PER_DEVICE_TRAIN_BATCH_SIZE}. */
    public QLoraEstimator setPerDeviceTrainBatchSize(int value) {
        return with(perDeviceTrainBatchSize(), value);
    }

    /** {@link TrainingKeys#GRADIENT_ACCUMULATION_STEPS}. */
    public QLoraEstimator setGradientAccumulationSteps(int value) {
        return with(gradientAccumulationSteps(), value);
    }

    /** {@link TrainingKeys#MAX_GRAD_NORM}. */
    public QLoraEstimator setMaxGradNorm(double value) {
        return with(maxGradNorm(), value);
    }

    /** {@link TrainingKeys#WEIGHT_DECAY}. */
    public QLoraEstimator setWeightDecay(double value) {
        return with(weightDecay(), value);
    }

    /** {@link #sequenceLengthsCol}. */
    public QLoraEstimator setSequenceLengthsCol(String value) {
        return with(sequenceLengthsCol(), value);
    }

    /** {@link PreferenceKeys#STAGE}. */
    public QLoraEstimator setStage(String value) {
        return with(stage(), value);
    }

    /** {@link PreferenceKeys#BETA}. */
    public QLoraEstimator setBeta(double value) {
        return with(beta(), value);
    }

    /** {@link PreferenceKeys#LABEL_SMOOTHING}. */
    public QLoraEstimator setLabelSmoothing(double value) {
        return with(labelSmoothing(), value);
    }

    /** {@link TrainingKeys#LABEL_SMOOTHING_FACTOR}. */
    public QLoraEstimator setLabelSmoothingFactor(double value) {
        return with(labelSmoothingFactor(), value);
    }

    /** {@link TrainingKeys#NEFTUNE_NOISE_ALPHA}. */
    public QLoraEstimator setNeftuneNoiseAlpha(double value) {
        return with(neftuneNoiseAlpha(), value);
    }

    /** {@link TrainingKeys#OPTIM}. */
    public QLoraEstimator setOptim(String value) {
        return with(optim(), value);
    }

    /** {@link TrainingKeys#LORAPLUS_LR_RATIO}. */
    public QLoraEstimator setLoraplusLrRatio(double value) {
        return with(loraplusLrRatio(), value);
    }

    /** {@link TrainingKeys#ADAM_BETA1}. */
    public QLoraEstimator setAdamBeta1(double value) {
        return with(adamBeta1(), value);
    }

    /** {@link TrainingKeys#ADAM_BETA2}. */
    public QLoraEstimator setAdamBeta2(double value) {
        return with(adamBeta2(), value);
    }

    /** {@link TrainingKeys#ADAM_EPSILON}. */
    public QLoraEstimator setAdamEpsilon(double value) {
        return with(adamEpsilon(), value);
    }

    /** {@link TrainingKeys#SEED}. */
    public QLoraEstimator setSeed(long value) {
        return with(seed(), value);
    }

    /** {@link TrainingKeys#RECOMPUTE}. */
    public QLoraEstimator setRecompute(String value) {
        return with(recompute(), value);
    }

    /** {@link RunKeys#OUTPUT_DIR}. */
    public QLoraEstimator setOutputDir(String value) {
        return with(outputDir(), value);
    }

    /** {@link RunKeys#RESUME}. */
    public QLoraEstimator setResume(boolean value) {
        return with(resume(), value);
    }

    /** {@link EvaluationKeys#EVAL_STRATEGY}. */
    public QLoraEstimator setEvalStrategy(String value) {
        return with(evalStrategy(), value);
    }

    /** {@link EvaluationKeys#EVAL_STEPS}. */
    public QLoraEstimator setEvalSteps(int value) {
        return with(evalSteps(), value);
    }

    /** {@link EvaluationKeys#LOAD_BEST_MODEL_AT_END}. */
    public QLoraEstimator setLoadBestModelAtEnd(boolean value) {
        return with(loadBestModelAtEnd(), value);
    }

    /** {@link EvaluationKeys#METRIC_FOR_BEST_MODEL}. */
    public QLoraEstimator setMetricForBestModel(String value) {
        return with(metricForBestModel(), value);
    }

    /** {@link EvaluationKeys#GREATER_IS_BETTER}. */
    public QLoraEstimator setGreaterIsBetter(boolean value) {
        return with(greaterIsBetter(), value);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_PATIENCE}. */
    public QLoraEstimator setEarlyStoppingPatience(int value) {
        return with(earlyStoppingPatience(), value);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_THRESHOLD}. */
    public QLoraEstimator setEarlyStoppingThreshold(double value) {
        return with(earlyStoppingThreshold(), value);
    }

    /** {@link RunKeys#REPORT_TO}. */
    public QLoraEstimator setReportTo(String value) {
        return with(reportTo(), value);
    }

    /** {@link RunKeys#LOGGING_DIR}. */
    public QLoraEstimator setLoggingDir(String value) {
        return with(loggingDir(), value);
    }

    /** {@link RunKeys#SAVE_STEPS}. */
    public QLoraEstimator setSaveSteps(int value) {
        return with(saveSteps(), value);
    }

    /** {@link RunKeys#SAVE_TOTAL_LIMIT}. */
    public QLoraEstimator setSaveTotalLimit(int value) {
        return with(saveTotalLimit(), value);
    }

    /** {@link RunKeys#LOGGING_STEPS}. */
    public QLoraEstimator setLoggingSteps(int value) {
        return with(loggingSteps(), value);
    }

    /** {@link ExecutorKeys#NUM_PROCESSES}. */
    public QLoraEstimator setNumProcesses(int value) {
        return with(numProcesses(), value);
    }

    /** {@link ExecutorKeys#SHARD_BASE}. */
    public QLoraEstimator setShardBase(boolean value) {
        return with(shardBase(), value);
    }

    /** {@link ExecutorKeys#DDP_TIMEOUT}. */
    public QLoraEstimator setDdpTimeout(int value) {
        return with(ddpTimeout(), value);
    }

    /** {@link GroupKeys#GROUPS_PER_DEVICE}; not set: all fits that are asked for together. */
    public QLoraEstimator setGroupsPerDevice(int value) {
        return with(groupsPerDevice(), value);
    }
}
