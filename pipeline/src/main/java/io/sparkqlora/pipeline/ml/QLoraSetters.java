// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.QuantizationKeys;

/** {@link QLoraEstimator}'s setters, one for each key; each gives the estimator. */
abstract class QLoraSetters extends QLoraTrainingSetters {

    private static final long serialVersionUID = 1L;

    /** {@link QLoraParams#inputIdsCol}. */
    public QLoraEstimator setInputIdsCol(String value) {
        return with(inputIdsCol(), value);
    }

    /** {@link QLoraParams#labelsCol}. */
    public QLoraEstimator setLabelsCol(String value) {
        return with(labelsCol(), value);
    }

    /** {@link QLoraParams#lossCol}. */
    public QLoraEstimator setLossCol(String value) {
        return with(lossCol(), value);
    }

    /** {@link QLoraParams#numTargetTokensCol}. */
    public QLoraEstimator setNumTargetTokensCol(String value) {
        return with(numTargetTokensCol(), value);
    }

    /** {@link QLoraParams#generatedCol}. */
    public QLoraEstimator setGeneratedCol(String value) {
        return with(generatedCol(), value);
    }

    /** {@link QLoraParams#maxNewTokens}. */
    public QLoraEstimator setMaxNewTokens(int value) {
        return with(maxNewTokens(), value);
    }

    /** {@link ModelKeys#MODEL_NAME_OR_PATH}. */
    public QLoraEstimator setModelNameOrPath(String value) {
        return with(modelNameOrPath(), value);
    }

    /** {@link ModelKeys#CACHE_DIR}. */
    public QLoraEstimator setCacheDir(String value) {
        return with(cacheDir(), value);
    }

    /** {@link ModelKeys#BACKEND}. */
    public QLoraEstimator setBackend(String value) {
        return with(backend(), value);
    }

    /** {@link ModelKeys#MAX_MEMORY}. */
    public QLoraEstimator setMaxMemory(String value) {
        return with(maxMemory(), value);
    }

    /** {@link DataKeys#MAX_SEQ_LENGTH}. */
    public QLoraEstimator setMaxSeqLength(int value) {
        return with(maxSeqLength(), value);
    }

    /** {@link DataKeys#PACKING}. */
    public QLoraEstimator setPacking(boolean value) {
        return with(packing(), value);
    }

    /** {@link DataKeys#PACKING_STRATEGY}. */
    public QLoraEstimator setPackingStrategy(String value) {
        return with(packingStrategy(), value);
    }

    /** {@link DataKeys#VALIDATION_SPLIT_PERCENTAGE}. */
    public QLoraEstimator setValidationSplitPercentage(double value) {
        return with(validationSplitPercentage(), value);
    }

    /** {@link QuantizationKeys#LOAD_IN_4BIT}. */
    public QLoraEstimator setLoadIn4bit(boolean value) {
        return with(loadIn4bit(), value);
    }

    /** {@link QuantizationKeys#LOAD_IN_8BIT}. */
    public QLoraEstimator setLoadIn8bit(boolean value) {
        return with(loadIn8bit(), value);
    }

    /** {@link QuantizationKeys#LLM_INT8_THRESHOLD}. */
    public QLoraEstimator setLlmInt8Threshold(double value) {
        return with(llmInt8Threshold(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_QUANT_TYPE}. */
    public QLoraEstimator setBnb4bitQuantType(String value) {
        return with(bnb4bitQuantType(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_USE_DOUBLE_QUANT}. */
    public QLoraEstimator setBnb4bitUseDoubleQuant(boolean value) {
        return with(bnb4bitUseDoubleQuant(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_COMPUTE_DTYPE}. */
    public QLoraEstimator setBnb4bitComputeDtype(String value) {
        return with(bnb4bitComputeDtype(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_BLOCKSIZE}. */
    public QLoraEstimator setBnb4bitBlocksize(int value) {
        return with(bnb4bitBlocksize(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_QUANT_STORAGE}. */
    public QLoraEstimator setBnb4bitQuantStorage(String value) {
        return with(bnb4bitQuantStorage(), value);
    }

    /** {@link QuantizationKeys#LLM_INT8_SKIP_MODULES}: one entry, or several as {@code [lm_head, down_proj]}. */
    public QLoraEstimator setLlmInt8SkipModules(String value) {
        return with(llmInt8SkipModules(), value);
    }

    /** {@link QuantizationKeys#OFFLOAD_EMBEDDING}. */
    public QLoraEstimator setOffloadEmbedding(boolean value) {
        return with(offloadEmbedding(), value);
    }

    /** {@link AdapterKeys#ADAPTER_NAME_OR_PATH}. */
    public QLoraEstimator setAdapterNameOrPath(String value) {
        return with(adapterNameOrPath(), value);
    }

    /** {@link AdapterKeys#R}. */
    public QLoraEstimator setR(int value) {
        return with(r(), value);
    }

    /** {@link AdapterKeys#LORA_ALPHA}. */
    public QLoraEstimator setLoraAlpha(double value) {
        return with(loraAlpha(), value);
    }

    /** {@link AdapterKeys#LORA_DROPOUT}. */
    public QLoraEstimator setLoraDropout(double value) {
        return with(loraDropout(), value);
    }

    /** {@link AdapterKeys#TARGET_MODULES}. */
    public QLoraEstimator setTargetModules(String value) {
        return with(targetModules(), value);
    }

    /** {@link AdapterKeys#EXCLUDE_MODULES}. */
    public QLoraEstimator setExcludeModules(String value) {
        return with(excludeModules(), value);
    }

    /** {@link AdapterKeys#LAYERS_TO_TRANSFORM}. */
    public QLoraEstimator setLayersToTransform(String value) {
        return with(layersToTransform(), value);
    }

    /** {@link AdapterKeys#LAYERS_PATTERN}. */
    public QLoraEstimator setLayersPattern(String value) {
        return with(layersPattern(), value);
    }

    /** {@link AdapterKeys#INIT_LORA_WEIGHTS}. */
    public QLoraEstimator setInitLoraWeights(String value) {
        return with(initLoraWeights(), value);
    }

    /** {@link AdapterKeys#LOFTQ_CONFIG}, as a job file has it: {@code {loftq_iter: 4}}. */
    public QLoraEstimator setLoftqConfig(String value) {
        return with(loftqConfig(), value);
    }

    /** {@link AdapterKeys#USE_RSLORA}. */
    public QLoraEstimator setUseRslora(boolean value) {
        return with(useRslora(), value);
    }

    /** {@link AdapterKeys#RANK_PATTERN}, as a job file has it: {@code {v_proj: 16}}. */
    public QLoraEstimator setRankPattern(String value) {
        return with(rankPattern(), value);
    }

    /** {@link AdapterKeys#ALPHA_PATTERN}, as a job file has it: {@code {v_proj: 16}}. */
    public QLoraEstimator setAlphaPattern(String value) {
        return with(alphaPattern(), value);
    }

    /** {@link AdapterKeys#USE_DORA}. */
    public QLoraEstimator setUseDora(boolean value) {
        return with(useDora(), value);
    }

    /** {@link AdapterKeys#BIAS}. */
    public QLoraEstimator setBias(String value) {
        return with(bias(), value);
    }

    /** {@link AdapterKeys#MODULES_TO_SAVE}, as a job file has it: {@code [embed_tokens, lm_head]}. */
    public QLoraEstimator setModulesToSave(String value) {
        return with(modulesToSave(), value);
    }
}
