// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.List;

/**
 * How to continue prompts, with the names, defaults and meanings of transformers' {@code GenerationConfig}. Sampling draws
 * from a generator of its own: a draw is a function of seed, prompt index and position, and does not equal torch's. Batch size
 * and the other prompts change an answer only where the rounding of a product decides between two tokens.
 *
 * @param maxNewTokens most tokens after the prompt
 * @param doSample whether to sample; greedy otherwise
 * @param temperature what logits are divided by before sampling
 * @param topK how many of the likeliest tokens may be sampled; 0 for all
 * @param topP the likeliest tokens that together have this probability may be sampled; 1 for all
 * @param seed of the draws
 * @param eosTokenIds tokens that end an answer, or null for the model's own; empty for none
 * @param batchSize prompts that are continued side by side; memory for their keys and values is held at once
 */
public record GenerationConfig(
        int maxNewTokens,
        boolean doSample,
        double temperature,
        int topK,
        double topP,
        long seed,
        List<Integer> eosTokenIds,
        int batchSize) {

    private static final double DEFAULT_TEMPERATURE = 1;
    private static final int DEFAULT_TOP_K = 50;
    private static final double DEFAULT_TOP_P = 1;

    public GenerationConfig {
        check("max_new_tokens", maxNewTokens, maxNewTokens >= 1, "at least 1");
        check("temperature", temperature, temperature > 0 && temperature < Double.POSITIVE_INFINITY, "above 0");
        check("top_k", topK, topK >= 0, "at least 0");
        check("top_p", topP, topP > 0 && topP <= 1, "above 0, at most 1");
        check("batch size", batchSize, batchSize >= 1, "at least 1");
        if (!doSample) {
            boolean plain = temperature == DEFAULT_TEMPERATURE && topK == DEFAULT_TOP_K && topP == DEFAULT_TOP_P;
            check("do_sample", false, plain, "true, since temperature, top_k and top_p change nothing without it");
        }
        eosTokenIds = eosTokenIds == null ? null : List.copyOf(eosTokenIds);
    }

    private static void check(String name, Object value, boolean valid, String expected) {
        if (!valid) {
            throw TrainErrors.badArgument(name, value, expected);
        }
    }

    /** Always the likeliest token. */
    public static GenerationConfig greedy(int maxNewTokens) {
        return builder().maxNewTokens(maxNewTokens).build();
    }

    /** A builder with transformers' defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects options. */
    public static final class Builder {

        private int maxNewTokens = 20;
        private boolean doSample;
        private double temperature = DEFAULT_TEMPERATURE;
        private int topK = DEFAULT_TOP_K;
        private double topP = DEFAULT_TOP_P;
        private long seed = 42;
        private List<Integer> eosTokenIds;
        private int batchSize = 64;

        private Builder() {}

        /** Most tokens after the prompt; 20. */
        public Builder maxNewTokens(int value) {
            maxNewTokens = value;
            return this;
        }

        /** Whether to sample; false. */
        public Builder doSample(boolean value) {
            doSample = value;
            return this;
        }

        /** What logits are divided by; 1. */
        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        /** How many tokens may be sampled; 50. */
        public Builder topK(int value) {
            topK = value;
            return this;
        }

        /** Probability of the tokens that may be sampled; 1. */
        public Builder topP(double value) {
            topP = value;
            return this;
        }

        /** Of the draws; 42. */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** Tokens that end an answer; the model's own. */
        public Builder eosTokenIds(List<Integer> value) {
            eosTokenIds = value;
            return this;
        }

        /** Prompts that are continued side by side; 64. */
        public Builder batchSize(int value) {
            batchSize = value;
            return this;
        }

        /**
         * The configuration.
         *
         * @throws io.sparkqlora.kernels.QLoraException CONFIG for a value out of range, or for a sampling option without
         *     {@code do_sample}
         */
        public GenerationConfig build() {
            return new GenerationConfig(maxNewTokens, doSample, temperature, topK, topP, seed, eosTokenIds, batchSize);
        }
    }
}
