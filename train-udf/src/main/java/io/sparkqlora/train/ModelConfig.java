// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.config.ConfigParser;
import java.nio.file.Path;
import java.util.List;

/**
 * The shape of a model, with the names of a checkpoint's {@code config.json}.
 *
 * @param modelType the family, such as {@code llama}
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the feed-forward network
 * @param numHiddenLayers decoder layers
 * @param numAttentionHeads query heads
 * @param numKeyValueHeads key/value heads; divides the query heads
 * @param headDim elements of a head
 * @param vocabSize rows of the token embedding
 * @param maxPositionEmbeddings longest sequence the model was made for
 * @param rmsNormEps added to the mean square in every normalisation
 * @param rope rotary embedding
 * @param tieWordEmbeddings whether the output projection is the token embedding
 * @param hiddenAct activation on the gate, transformers' name
 * @param attentionBias whether the attention's projections have biases
 * @param mlpBias whether the feed-forward projections have biases
 * @param eosTokenIds tokens that end a generation; may be empty
 * @param bosTokenId token that begins a text, or null
 * @param padTokenId token that fills up a batch, or null
 * @param traits what the decoder has that Llama's has not
 * @param quantization how the weights are stored where they are quantised already, else null
 */
public record ModelConfig(
        String modelType,
        int hiddenSize,
        int intermediateSize,
        int numHiddenLayers,
        int numAttentionHeads,
        int numKeyValueHeads,
        int headDim,
        int vocabSize,
        int maxPositionEmbeddings,
        float rmsNormEps,
        RopeParameters rope,
        boolean tieWordEmbeddings,
        String hiddenAct,
        boolean attentionBias,
        boolean mlpBias,
        List<Integer> eosTokenIds,
        Integer bosTokenId,
        Integer padTokenId,
        DecoderTraits traits,
        StoredQuantization quantization) {

    public ModelConfig {
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /** Of weights that are not quantised. */
    public ModelConfig(
            String modelType,
            int hiddenSize,
            int intermediateSize,
            int numHiddenLayers,
            int numAttentionHeads,
            int numKeyValueHeads,
            int headDim,
            int vocabSize,
            int maxPositionEmbeddings,
            float rmsNormEps,
            RopeParameters rope,
            boolean tieWordEmbeddings,
            String hiddenAct,
            boolean attentionBias,
            boolean mlpBias,
            List<Integer> eosTokenIds,
            Integer bosTokenId,
            Integer padTokenId,
            DecoderTraits traits) {
        this(
                modelType,
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                vocabSize,
                maxPositionEmbeddings,
                rmsNormEps,
                rope,
                tieWordEmbeddings,
                hiddenAct,
                attentionBias,
                mlpBias,
                eosTokenIds,
                bosTokenId,
                padTokenId,
                traits,
                null);
    }

    /**
     * Reads a {@code config.json}; what it leaves out has transformers' default for the family.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the file is missing, is no JSON, or describes a model that can't
     *     be run
     */
    public static ModelConfig parse(Path file) {
        return ConfigParser.parse(file);
    }

    /** As {@link #parse(Path)}, from text; {@code source} is what errors call it. */
    public static ModelConfig parse(String json, String source) {
        return ConfigParser.parse(json, source);
    }

    /** Columns of the query projection: {@code numAttentionHeads · headDim}. */
    public int queryDim() {
        return numAttentionHeads * headDim;
    }

    /** Columns of the key projection, and of the value projection: {@code numKeyValueHeads · headDim}. */
    public int keyValueDim() {
        return numKeyValueHeads * headDim;
    }

    /** Tokens of the longest sequence: {@code max_position_embeddings}, or what YaRN makes of the original context. */
    public int maxSequenceLength() {
        boolean yarn = rope.yarn() != null;
        double made = yarn ? rope.factor() * rope.originalMaxPositionEmbeddings() : 0;
        return (int) Math.max(maxPositionEmbeddings, Math.min(made, Integer.MAX_VALUE));
    }

    /** The same model with other end tokens. */
    public ModelConfig withEosTokenIds(List<Integer> ids) {
        return with(ids, quantization);
    }

    /** The same model, its weights stored in that way. */
    public ModelConfig withQuantization(StoredQuantization stored) {
        return with(eosTokenIds, stored);
    }

    private ModelConfig with(List<Integer> ids, StoredQuantization stored) {
        return new ModelConfig(
                modelType,
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                vocabSize,
                maxPositionEmbeddings,
                rmsNormEps,
                rope,
                tieWordEmbeddings,
                hiddenAct,
                attentionBias,
                mlpBias,
                ids,
                bosTokenId,
                padTokenId,
                traits,
                stored);
    }
}
