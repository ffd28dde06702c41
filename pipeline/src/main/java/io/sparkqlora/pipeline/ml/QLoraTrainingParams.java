// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * The params of {@link QLoraEstimator} that say how an adapter is trained and measured: a job's keys under their names in camel case,
 * with their defaults and checks.
 */
public interface QLoraTrainingParams extends Params {

    /** Where the params are kept. */
    KeyParams keyParams();

    /** {@link TrainingKeys#LEARNING_RATE}. */
    default DoubleParam learningRate() {
        return keyParams().number(TrainingKeys.LEARNING_RATE);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_TYPE}. */
    default Param<String> lrSchedulerType() {
        return keyParams().text(TrainingKeys.LR_SCHEDULER_TYPE);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_KWARGS}, as a job file has it: {@code {num_cycles: 2}}. */
    default Param<String> lrSchedulerKwargs() {
        return keyParams().text(TrainingKeys.LR_SCHEDULER_KWARGS);
    }

    /** {@link TrainingKeys#WARMUP_STEPS}. */
    default IntParam warmupSteps() {
        return keyParams().integer(TrainingKeys.WARMUP_STEPS);
    }

    /** {@link TrainingKeys#WARMUP_RATIO}. */
    default DoubleParam warmupRatio() {
        return keyParams().number(TrainingKeys.WARMUP_RATIO);
    }

    /** {@link TrainingKeys#MAX_STEPS}. */
    default IntParam maxSteps() {
        return keyParams().integer(TrainingKeys.MAX_STEPS);
    }

    /** {@link TrainingKeys#NUM_TRAIN_EPOCHS}. */
    default DoubleParam numTrainEpochs() {
        return keyParams().number(TrainingKeys.NUM_TRAIN_EPOCHS);
    }

    /** {@link TrainingKeys#PER_DEVICE_TRAIN_BATCH_SIZE}. */
    default IntParam perDeviceTrainBatchSize() {
        return keyParams().integer(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE);
    }

    /** {@link TrainingKeys#GRADIENT_ACCUMULATION_STEPS}. */
    default IntParam gradientAccumulationSteps() {
        return keyParams().integer(TrainingKeys.GRADIENT_ACCUMULATION_STEPS);
    }

    /** {@link TrainingKeys#MAX_GRAD_NORM}. */
    default DoubleParam maxGradNorm() {
        return keyParams().number(TrainingKeys.MAX_GRAD_NORM);
    }

    /** {@link TrainingKeys#WEIGHT_DECAY}. */
    default DoubleParam weightDecay() {
        return keyParams().number(TrainingKeys.WEIGHT_DECAY);
    }

    /** {@link TrainingKeys#LABEL_SMOOTHING_FACTOR}. */
    default DoubleParam labelSmoothingFactor() {
        return keyParams().number(TrainingKeys.LABEL_SMOOTHING_FACTOR);
    }

    /** {@link TrainingKeys#NEFTUNE_NOISE_ALPHA}. */
    default DoubleParam neftuneNoiseAlpha() {
        return keyParams().number(TrainingKeys.NEFTUNE_NOISE_ALPHA);
    }

    /** {@link TrainingKeys#OPTIM}. */
    default Param<String> optim() {
        return keyParams().text(TrainingKeys.OPTIM);
    }

    /** {@link TrainingKeys#LORAPLUS_LR_RATIO}. */
    default DoubleParam loraplusLrRatio() {
        return keyParams().number(TrainingKeys.LORAPLUS_LR_RATIO);
    }

    /** {@link TrainingKeys#ADAM_BETA1}. */
    default DoubleParam adamBeta1() {
        return keyParams().number(TrainingKeys.ADAM_BETA1);
    }

    /** {@link TrainingKeys#ADAM_BETA2}. */
    default DoubleParam adamBeta2() {
        return keyParams().number(TrainingKeys.ADAM_BETA2);
    }

    /** {@link TrainingKeys#ADAM_EPSILON}. */
    default DoubleParam adamEpsilon() {
        return keyParams().number(TrainingKeys.ADAM_EPSILON);
    }

    /** {@link TrainingKeys#SEED}. */
    default LongParam seed() {
        return keyParams().wide(TrainingKeys.SEED);
    }

    /** {@link TrainingKeys#RECOMPUTE}. */
    default Param<String> recompute() {
        return keyParams().text(TrainingKeys.RECOMPUTE);
    }

    /** {@link RunKeys#OUTPUT_DIR}. */
    default Param<String> outputDir() {
        return keyParams().text(RunKeys.OUTPUT_DIR);
    }

    /** {@link RunKeys#RESUME}. */
    default BooleanParam resume() {
        return keyParams().bool(RunKeys.RESUME);
    }

    /** {@link RunKeys#SAVE_STEPS}. */
    default IntParam saveSteps() {
        return keyParams().integer(RunKeys.SAVE_STEPS);
    }

    /** {@link RunKeys#SAVE_TOTAL_LIMIT}. */
    default IntParam saveTotalLimit() {
        return keyParams().integer(RunKeys.SAVE_TOTAL_LIMIT);
    }

    /** {@link EvaluationKeys#EVAL_STRATEGY}. */
    default Param<String> evalStrategy() {
        return keyParams().text(EvaluationKeys.EVAL_STRATEGY);
    }

    /** {@link EvaluationKeys#EVAL_STEPS}. */
    default IntParam evalSteps() {
        return keyParams().integer(EvaluationKeys.EVAL_STEPS);
    }

    /** {@link EvaluationKeys#LOAD_BEST_MODEL_AT_END}. */
    default BooleanParam loadBestModelAtEnd() {
        return keyParams().bool(EvaluationKeys.LOAD_BEST_MODEL_AT_END);
    }

    /** {@link EvaluationKeys#METRIC_FOR_BEST_MODEL}. */
    default Param<String> metricForBestModel() {
        return keyParams().text(EvaluationKeys.METRIC_FOR_BEST_MODEL);
    }

    /** {@link EvaluationKeys#GREATER_IS_BETTER}. */
    default BooleanParam greaterIsBetter() {
        return keyParams().bool(EvaluationKeys.GREATER_IS_BETTER);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_PATIENCE}. */
    default IntParam earlyStoppingPatience() {
        return keyParams().integer(EvaluationKeys.EARLY_STOPPING_PATIENCE);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_THRESHOLD}. */
    default DoubleParam earlyStoppingThreshold() {
        return keyParams().number(EvaluationKeys.EARLY_STOPPING_THRESHOLD);
    }

    /** {@link RunKeys#LOGGING_STEPS}. */
    default IntParam loggingSteps() {
        return keyParams().integer(RunKeys.LOGGING_STEPS);
    }

    /** {@link RunKeys#REPORT_TO}. */
    default Param<String> reportTo() {
        return keyParams().text(RunKeys.REPORT_TO);
    }

    /** {@link RunKeys#LOGGING_DIR}. */
    default Param<String> loggingDir() {
        return keyParams().text(RunKeys.LOGGING_DIR);
    }

    /** {@link ExecutorKeys#NUM_PROCESSES}. */
    default IntParam numProcesses() {
        return keyParams().integer(ExecutorKeys.NUM_PROCESSES);
    }

    /** {@link ExecutorKeys#SHARD_BASE}. */
    default BooleanParam shardBase() {
        return keyParams().bool(ExecutorKeys.SHARD_BASE);
    }

    /** {@link ExecutorKeys#DDP_TIMEOUT}. */
    default IntParam ddpTimeout() {
        return keyParams().integer(ExecutorKeys.DDP_TIMEOUT);
    }

    /** {@link GroupKeys#GROUPS_PER_DEVICE}; not set: all fits that are asked for together. */
    default IntParam groupsPerDevice() {
        return keyParams().integer(GroupKeys.GROUPS_PER_DEVICE);
    }
}
