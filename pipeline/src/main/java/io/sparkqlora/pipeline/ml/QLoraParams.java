// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
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

    /** Column of the tokens of a pair's two sequences. */
    default Param<String> sequenceLengthsCol() {
        return keyParams()
                .text(
                        "sequenceLengthsCol",
                        "With stage dpo: column of the tokens of the chosen and of the rejected sequence, which stand one "
                                + "after the other in inputIdsCol and labelsCol");
    }

    /** Column that a model adds: the row's loss. */
    default Param<String> lossCol() {
        return keyParams()
                .text(
                        "lossCol",
                        "Added by the model: mean cross-entropy of the row's counted tokens in nats, null where none "
                                + "counts; with stage dpo the loss of the pair. Empty: not computed");
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

    /** {@link ModelKeys#MODEL_NAME_OR_PATH}. */
    default Param<String> modelNameOrPath() {
        return keyParams().text(ModelKeys.MODEL_NAME_OR_PATH);
    }

    /** {@link ModelKeys#CACHE_DIR}. */
    default Param<String> cacheDir() {
        return keyParams().text(ModelKeys.CACHE_DIR);
    }

    /** {@link ModelKeys#BACKEND}. */
    default Param<String> backend() {
        return keyParams().text(ModelKeys.BACKEND);
    }

    /** {@link ModelKeys#MAX_MEMORY}. */
    default Param<String> maxMemory() {
        return keyParams().text(ModelKeys.MAX_MEMORY);
    }

    /** {@link DataKeys#MAX_SEQ_LENGTH}. */
    default IntParam maxSeqLength() {
        return keyParams().integer(DataKeys.MAX_SEQ_LENGTH);
    }

    /** {@link DataKeys#PACKING}. */
    default BooleanParam packing() {
        return keyParams().bool(DataKeys.PACKING);
    }

    /** {@link DataKeys#PACKING_STRATEGY}. */
    default Param<String> packingStrategy() {
        return keyParams().text(DataKeys.PACKING_STRATEGY);
    }

    /** {@link DataKeys#VALIDATION_SPLIT_PERCENTAGE}. */
    default DoubleParam validationSplitPercentage() {
        return keyParams().number(DataKeys.VALIDATION_SPLIT_PERCENTAGE);
    }

    /** {@link QuantizationKeys#LOAD_IN_4BIT}. */
    default BooleanParam loadIn4bit() {
        return keyParams().bool(QuantizationKeys.LOAD_IN_4BIT);
    }

    /** {@link QuantizationKeys#LOAD_IN_8BIT}. */
    default BooleanParam loadIn8bit() {
        return keyParams().bool(QuantizationKeys.LOAD_IN_8BIT);
    }

    /** {@link QuantizationKeys#LLM_INT8_THRESHOLD}. */
    default DoubleParam llmInt8Threshold() {
        return keyParams().number(QuantizationKeys.LLM_INT8_THRESHOLD);
    }

    /** {@link QuantizationKeys#BNB_4BIT_QUANT_TYPE}. */
    default Param<String> bnb4bitQuantType() {
        return keyParams().text(QuantizationKeys.BNB_4BIT_QUANT_TYPE);
    }

    /** {@link QuantizationKeys#BNB_4BIT_USE_DOUBLE_QUANT}. */
    default BooleanParam bnb4bitUseDoubleQuant() {
        return keyParams().bool(QuantizationKeys.BNB_4BIT_USE_DOUBLE_QUANT);
    }

    /** {@link QuantizationKeys#BNB_4BIT_COMPUTE_DTYPE}. */
    default Param<String> bnb4bitComputeDtype() {
        return keyParams().text(QuantizationKeys.BNB_4BIT_COMPUTE_DTYPE);
    }

    /** {@link QuantizationKeys#BNB_4BIT_BLOCKSIZE}. */
    default IntParam bnb4bitBlocksize() {
        return keyParams().integer(QuantizationKeys.BNB_4BIT_BLOCKSIZE);
    }

    /** {@link QuantizationKeys#BNB_4BIT_QUANT_STORAGE}. */
    default Param<String> bnb4bitQuantStorage() {
        return keyParams().text(QuantizationKeys.BNB_4BIT_QUANT_STORAGE);
    }

    /** {@link QuantizationKeys#LLM_INT8_SKIP_MODULES}. */
    default Param<String> llmInt8SkipModules() {
        return keyParams().text(QuantizationKeys.LLM_INT8_SKIP_MODULES);
    }

    /** {@link QuantizationKeys#OFFLOAD_EMBEDDING}. */
    default BooleanParam offloadEmbedding() {
        return keyParams().bool(QuantizationKeys.OFFLOAD_EMBEDDING);
    }

    /** {@link AdapterKeys#ADAPTER_NAME_OR_PATH}. */
    default Param<String> adapterNameOrPath() {
        return keyParams().text(AdapterKeys.ADAPTER_NAME_OR_PATH);
    }

    /** {@link AdapterKeys#R}. */
    default IntParam r() {
        return keyParams().integer(AdapterKeys.R);
    }

    /** {@link AdapterKeys#LORA_ALPHA}. */
    default DoubleParam loraAlpha() {
        return keyParams().number(AdapterKeys.LORA_ALPHA);
    }

    /** {@link AdapterKeys#LORA_DROPOUT}. */
    default DoubleParam loraDropout() {
        return keyParams().number(AdapterKeys.LORA_DROPOUT);
    }

    /** {@link AdapterKeys#TARGET_MODULES}. */
    default Param<String> targetModules() {
        return keyParams().text(AdapterKeys.TARGET_MODULES);
    }

    /** {@link AdapterKeys#EXCLUDE_MODULES}. */
    default Param<String> excludeModules() {
        return keyParams().text(AdapterKeys.EXCLUDE_MODULES);
    }

    /** {@link AdapterKeys#LAYERS_TO_TRANSFORM}. */
    default Param<String> layersToTransform() {
        return keyParams().text(AdapterKeys.LAYERS_TO_TRANSFORM);
    }

    /** {@link AdapterKeys#LAYERS_PATTERN}. */
    default Param<String> layersPattern() {
        return keyParams().text(AdapterKeys.LAYERS_PATTERN);
    }

    /** {@link AdapterKeys#INIT_LORA_WEIGHTS}. */
    default Param<String> initLoraWeights() {
        return keyParams().text(AdapterKeys.INIT_LORA_WEIGHTS);
    }

    /** {@link AdapterKeys#USE_RSLORA}. */
    default BooleanParam useRslora() {
        return keyParams().bool(AdapterKeys.USE_RSLORA);
    }

    /** {@link AdapterKeys#RANK_PATTERN}, as a job file has it: {@code {v_proj: 16}}. */
    default Param<String> rankPattern() {
        return keyParams().text(AdapterKeys.RANK_PATTERN);
    }

    /** {@link AdapterKeys#ALPHA_PATTERN}, as a job file has it: {@code {v_proj: 16}}. */
    default Param<String> alphaPattern() {
        return keyParams().text(AdapterKeys.ALPHA_PATTERN);
    }

    /** {@link AdapterKeys#USE_DORA}. */
    default BooleanParam useDora() {
        return keyParams().bool(AdapterKeys.USE_DORA);
    }

    /** {@link AdapterKeys#BIAS}. */
    default Param<String> bias() {
        return keyParams().text(AdapterKeys.BIAS);
    }

    /** {@link AdapterKeys#MODULES_TO_SAVE}, as a job file has it: {@code [embed_tokens, lm_head]}. */
    default Param<String> modulesToSave() {
        return keyParams().text(AdapterKeys.MODULES_TO_SAVE);
    }

    /** {@link PreferenceKeys#STAGE}. */
    default Param<String> stage() {
        return keyParams().text(PreferenceKeys.STAGE);
    }

    /** {@link PreferenceKeys#BETA}. */
    default DoubleParam beta() {
        return keyParams().number(PreferenceKeys.BETA);
    }

    /** {@link PreferenceKeys#LABEL_SMOOTHING}. */
    default DoubleParam labelSmoothing() {
        return keyParams().number(PreferenceKeys.LABEL_SMOOTHING);
    }

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
