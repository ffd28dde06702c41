// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * The params of {@link QLoraEstimator} and {@link QLoraModel}: a job's keys under their names in camel case, with their defaults
 * and checks, and the names of columns.
 */
public interface QLoraParams extends Params {

    /** Where the params are kept. */
    KeyParams keyParams();

    /** Column of token ids. */
    default Param<String> inputIdsCol() {
        return keyParams().text("inputIdsCol", "Column of token ids, an array of integers");
    }

    /** Column of labels. */
    default Param<String> labelsCol() {
        return keyParams()
                .text("labelsCol", "Column of labels: each token's own id where it counts in the loss, -100 elsewhere");
    }

    /** Column that a model adds: the row's loss. */
    default Param<String> lossCol() {
        return keyParams()
                .text(
                        "lossCol",
                        "Added by the model: mean cross-entropy of the row's counted tokens in nats, null where none "
                                + "counts. Empty: not computed");
    }

    /** Column that a model adds beside the loss: how many tokens count. */
    default Param<String> numTargetTokensCol() {
        return keyParams().text("numTargetTokensCol", "Added beside the loss: how many of the row's tokens count");
    }

    /** Column that a model adds: what it answers. */
    default Param<String> generatedCol() {
        return keyParams()
                .text(
                        "generatedCol",
                        "Added by the model: its greedy continuation of the row's prompt, which is what stands before the "
                                + "last tokens that count, or all tokens where none counts. Empty: not generated");
    }

    /** Most tokens of an answer. */
    default IntParam maxNewTokens() {
        return keyParams()
                .integer(
                        "maxNewTokens",
                        "Most tokens of an answer",
                        value -> value >= 1,
                        "a whole number of at least 1");
    }

    /** {@link ConfigKeys#MODEL_NAME_OR_PATH}. */
    default Param<String> modelNameOrPath() {
        return keyParams().text(ConfigKeys.MODEL_NAME_OR_PATH);
    }

    /** {@link ConfigKeys#BACKEND}. */
    default Param<String> backend() {
        return keyParams().text(ConfigKeys.BACKEND);
    }

    /** {@link ConfigKeys#MAX_SEQ_LENGTH}. */
    default IntParam maxSeqLength() {
        return keyParams().integer(ConfigKeys.MAX_SEQ_LENGTH);
    }

    /** {@link ConfigKeys#PACKING}. */
    default BooleanParam packing() {
        return keyParams().bool(ConfigKeys.PACKING);
    }

    /** {@link ConfigKeys#LOAD_IN_4BIT}. */
    default BooleanParam loadIn4bit() {
        return keyParams().bool(ConfigKeys.LOAD_IN_4BIT);
    }

    /** {@link ConfigKeys#BNB_4BIT_QUANT_TYPE}. */
    default Param<String> bnb4bitQuantType() {
        return keyParams().text(ConfigKeys.BNB_4BIT_QUANT_TYPE);
    }

    /** {@link ConfigKeys#BNB_4BIT_USE_DOUBLE_QUANT}. */
    default BooleanParam bnb4bitUseDoubleQuant() {
        return keyParams().bool(ConfigKeys.BNB_4BIT_USE_DOUBLE_QUANT);
    }

    /** {@link ConfigKeys#BNB_4BIT_COMPUTE_DTYPE}. */
    default Param<String> bnb4bitComputeDtype() {
        return keyParams().text(ConfigKeys.BNB_4BIT_COMPUTE_DTYPE);
    }

    /** {@link ConfigKeys#OFFLOAD_EMBEDDING}. */
    default BooleanParam offloadEmbedding() {
        return keyParams().bool(ConfigKeys.OFFLOAD_EMBEDDING);
    }

    /** {@link ConfigKeys#R}. */
    default IntParam r() {
        return keyParams().integer(ConfigKeys.R);
    }

    /** {@link ConfigKeys#LORA_ALPHA}. */
    default DoubleParam loraAlpha() {
        return keyParams().number(ConfigKeys.LORA_ALPHA);
    }

    /** {@link ConfigKeys#LORA_DROPOUT}. */
    default DoubleParam loraDropout() {
        return keyParams().number(ConfigKeys.LORA_DROPOUT);
    }

    /** {@link ConfigKeys#TARGET_MODULES}. */
    default Param<String> targetModules() {
        return keyParams().text(ConfigKeys.TARGET_MODULES);
    }

    /** {@link ConfigKeys#USE_RSLORA}. */
    default BooleanParam useRslora() {
        return keyParams().bool(ConfigKeys.USE_RSLORA);
    }

    /** {@link ConfigKeys#LEARNING_RATE}. */
    default DoubleParam learningRate() {
        return keyParams().number(ConfigKeys.LEARNING_RATE);
    }

    /** {@link ConfigKeys#LR_SCHEDULER_TYPE}. */
    default Param<String> lrSchedulerType() {
        return keyParams().text(ConfigKeys.LR_SCHEDULER_TYPE);
    }

    /** {@link ConfigKeys#WARMUP_STEPS}. */
    default IntParam warmupSteps() {
        return keyParams().integer(ConfigKeys.WARMUP_STEPS);
    }

    /** {@link ConfigKeys#WARMUP_RATIO}. */
    default DoubleParam warmupRatio() {
        return keyParams().number(ConfigKeys.WARMUP_RATIO);
    }

    /** {@link ConfigKeys#MAX_STEPS}. */
    default IntParam maxSteps() {
        return keyParams().integer(ConfigKeys.MAX_STEPS);
    }

    /** {@link ConfigKeys#NUM_TRAIN_EPOCHS}. */
    default DoubleParam numTrainEpochs() {
        return keyParams().number(ConfigKeys.NUM_TRAIN_EPOCHS);
    }

    /** {@link ConfigKeys#PER_DEVICE_TRAIN_BATCH_SIZE}. */
    default IntParam perDeviceTrainBatchSize() {
        return keyParams().integer(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE);
    }

    /** {@link ConfigKeys#GRADIENT_ACCUMULATION_STEPS}. */
    default IntParam gradientAccumulationSteps() {
        return keyParams().integer(ConfigKeys.GRADIENT_ACCUMULATION_STEPS);
    }

    /** {@link ConfigKeys#MAX_GRAD_NORM}. */
    default DoubleParam maxGradNorm() {
        return keyParams().number(ConfigKeys.MAX_GRAD_NORM);
    }

    /** {@link ConfigKeys#WEIGHT_DECAY}. */
    default DoubleParam weightDecay() {
        return keyParams().number(ConfigKeys.WEIGHT_DECAY);
    }

    /** {@link ConfigKeys#OPTIM}. */
    default Param<String> optim() {
        return keyParams().text(ConfigKeys.OPTIM);
    }

    /** {@link ConfigKeys#ADAM_BETA1}. */
    default DoubleParam adamBeta1() {
        return keyParams().number(ConfigKeys.ADAM_BETA1);
    }

    /** {@link ConfigKeys#ADAM_BETA2}. */
    default DoubleParam adamBeta2() {
        return keyParams().number(ConfigKeys.ADAM_BETA2);
    }

    /** {@link ConfigKeys#ADAM_EPSILON}. */
    default DoubleParam adamEpsilon() {
        return keyParams().number(ConfigKeys.ADAM_EPSILON);
    }

    /** {@link ConfigKeys#SEED}. */
    default LongParam seed() {
        return keyParams().wide(ConfigKeys.SEED);
    }

    /** {@link ConfigKeys#RECOMPUTE}. */
    default Param<String> recompute() {
        return keyParams().text(ConfigKeys.RECOMPUTE);
    }

    /** {@link ConfigKeys#OUTPUT_DIR}. */
    default Param<String> outputDir() {
        return keyParams().text(ConfigKeys.OUTPUT_DIR);
    }

    /** {@link ConfigKeys#RESUME}. */
    default BooleanParam resume() {
        return keyParams().bool(ConfigKeys.RESUME);
    }

    /** {@link ConfigKeys#SAVE_STEPS}. */
    default IntParam saveSteps() {
        return keyParams().integer(ConfigKeys.SAVE_STEPS);
    }

    /** {@link ConfigKeys#SAVE_TOTAL_LIMIT}. */
    default IntParam saveTotalLimit() {
        return keyParams().integer(ConfigKeys.SAVE_TOTAL_LIMIT);
    }

    /** {@link ConfigKeys#LOGGING_STEPS}. */
    default IntParam loggingSteps() {
        return keyParams().integer(ConfigKeys.LOGGING_STEPS);
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
