// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Collections;
import java.util.List;

/**
 * What a family's decoder has that Llama's has not, beside its shape. Names are those of {@code config.json} where it has one.
 *
 * @param rotaryDim elements of a head that the rotary embedding turns, the first ones
 * @param queryPreAttnScalar attention's scores are divided by its root; Llama's is the width of a head
 * @param attnLogitSoftcapping bound on attention's scores, {@code cap · tanh(score / cap)}; 0 for none
 * @param finalLogitSoftcapping the same on the logits
 * @param slidingWindows for each layer, how many keys a query sees, itself included; 0 for all
 * @param qkvBias whether the projections to queries, keys and values have biases, whatever {@code attention_bias} says
 * @param fusedProjections whether queries, keys and values are one linear layer, {@code qkv_proj}, and gate and up another,
 *     {@code gate_up_proj}
 * @param queryKeyNorms whether each head of queries and keys is normalised before it is turned
 * @param outputNorms whether what attention and feed-forward add to the residual stream is normalised too
 * @param normWeightOffset added to each norm's weight
 * @param scaledEmbeddings whether token embeddings are multiplied by the root of the hidden size
 */
public record DecoderTraits(
        int rotaryDim,
        double queryPreAttnScalar,
        float attnLogitSoftcapping,
        float finalLogitSoftcapping,
        List<Integer> slidingWindows,
        boolean qkvBias,
        boolean fusedProjections,
        boolean queryKeyNorms,
        boolean outputNorms,
        float normWeightOffset,
        boolean scaledEmbeddings) {

    public DecoderTraits {
        slidingWindows = List.copyOf(slidingWindows);
    }

    /** Llama's, for heads of that width and so many layers, to begin with. */
    public static Builder builder(int headDim, int layers) {
        return new Builder(headDim, layers);
    }

    /** Collects what differs from Llama. */
    public static final class Builder {

        private int rotaryDim;
        private double queryPreAttnScalar;
        private float attnLogitSoftcapping;
        private float finalLogitSoftcapping;
        private List<Integer> slidingWindows;
        private boolean qkvBias;
        private boolean fusedProjections;
        private boolean queryKeyNorms;
        private boolean outputNorms;
        private float normWeightOffset;
        private boolean scaledEmbeddings;

        private Builder(int headDim, int layers) {
            rotaryDim = headDim;
            queryPreAttnScalar = headDim;
            slidingWindows = Collections.nCopies(layers, 0);
        }

        /** Elements of a head that turn. */
        public Builder rotaryDim(int elements) {
            rotaryDim = elements;
            return this;
        }

        /** What attention's scores are divided by the root of. */
        public Builder queryPreAttnScalar(double scalar) {
            queryPreAttnScalar = scalar;
            return this;
        }

        /** Bounds on attention's scores and on the logits; 0 for none. */
        public Builder softcapping(double attention, double logits) {
            attnLogitSoftcapping = (float) attention;
            finalLogitSoftcapping = (float) logits;
            return this;
        }

        /** Keys that a query sees, layer by layer; 0 for all. */
        public Builder slidingWindows(List<Integer> windows) {
            slidingWindows = windows;
            return this;
        }

        /** Biases on queries, keys and values. */
        public Builder qkvBias() {
            qkvBias = true;
            return this;
        }

        /** {@code qkv_proj} and {@code gate_up_proj}. */
        public Builder fusedProjections() {
            fusedProjections = true;
            return this;
        }

        /** {@code q_norm} and {@code k_norm}. */
        public Builder queryKeyNorms() {
            queryKeyNorms = true;
            return this;
        }

        /** Norms behind attention and feed-forward. */
        public Builder outputNorms() {
            outputNorms = true;
            return this;
        }

        /** Added to each norm's weight. */
        public Builder normWeightOffset(float offset) {
            normWeightOffset = offset;
            return this;
        }

        /** Token embeddings times the root of the hidden size. */
        public Builder scaledEmbeddings() {
            scaledEmbeddings = true;
            return this;
        }

        /** The traits. */
        public DecoderTraits build() {
            return new DecoderTraits(
                    rotaryDim,
                    queryPreAttnScalar,
                    attnLogitSoftcapping,
                    finalLogitSoftcapping,
                    slidingWindows,
                    qkvBias,
                    fusedProjections,
                    queryKeyNorms,
                    outputNorms,
                    normWeightOffset,
                    scaledEmbeddings);
        }
    }
}
