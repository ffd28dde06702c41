// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * The tokens of a tokenizer.json and their ids.
 *
 * @param ids ids by token, added tokens included
 * @param added the tokens that are added, which text is searched for before the model sees it
 */
public record Vocabulary(Map<String, Integer> ids, Set<String> added) {

    /** Reads the vocabulary of a parsed tokenizer.json: the map of BPE, WordPiece and WordLevel, or Unigram's list. */
    public static Vocabulary of(JsonNode tokenizer) {
        Map<String, Integer> ids = new HashMap<>();
        JsonNode vocab = tokenizer.path("model").path("vocab");
        if (vocab.isArray()) {
            for (int i = 0; i < vocab.size(); i++) {
                ids.put(vocab.get(i).path(0).asText(), i);
            }
        } else {
            vocab.properties()
                    .forEach(entry -> ids.put(entry.getKey(), entry.getValue().asInt()));
        }
        Set<String> added = new HashSet<>();
        for (JsonNode token : tokenizer.path("added_tokens")) {
            ids.put(token.path("content").asText(), token.path("id").asInt());
            added.add(token.path("content").asText());
        }
        return new Vocabulary(ids, added);
    }

    /** The token with the largest id. */
    public Map.Entry<String, Integer> largest() {
        return ids.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow();
    }
}
