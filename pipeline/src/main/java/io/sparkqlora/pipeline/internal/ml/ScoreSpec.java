// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import java.io.Serializable;

/**
 * What an executor must know to apply a model.
 *
 * @param base what it loads
 * @param adapterHash which adapter goes with it
 * @param inputIds place of the column of token ids
 * @param labels place of the column of labels
 * @param lengths place of the column of a pair's lengths; -1 where rows are no pairs
 * @param loss whether the loss is wanted
 * @param generate whether an answer is wanted
 * @param texts whether prompt and expected answer are wanted as texts
 * @param maxNewTokens most tokens of an answer
 */
record ScoreSpec(
        Base base,
        String adapterHash,
        int inputIds,
        int labels,
        int lengths,
        boolean loss,
        boolean generate,
        boolean texts,
        int maxNewTokens)
        implements Serializable {

    private static final long serialVersionUID = 1L;

    /**
     * A base with room for an adapter.
     *
     * @param configJson where the base lies, how it is held, on what
     * @param adapterConfig the adapter's configuration as JSON
     * @param fingerprint of the base
     * @param tokenizerHash of the tokenizer
     * @param maxTokens most tokens of a sequence; what is longer is cut, as in training
     */
    record Base(String configJson, String adapterConfig, String fingerprint, String tokenizerHash, int maxTokens)
            implements Serializable {

        private static final long serialVersionUID = 1L;
    }
}
