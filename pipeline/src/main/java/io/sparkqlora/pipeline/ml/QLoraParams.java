// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.Param;

/**
 * The params of {@link QLoraEstimator} and {@link QLoraModel}: a job's keys under their names in camel case, with their defaults
 * and checks, and the names of columns.
 */
public interface QLoraParams extends QLoraTrainingParams {

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

    /** {@link AdapterKeys#LOFTQ_CONFIG}, as a job file has it: {@code {loftq_iter: 4}}. */
    default Param<String> loftqConfig() {
        return keyParams().text(AdapterKeys.LOFTQ_CONFIG);
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
}
