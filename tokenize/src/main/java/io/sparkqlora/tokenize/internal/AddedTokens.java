// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The added tokens that are looked for in a text before anything else is done to it: those that aren't
 * {@code normalized}. Of several that begin at one place the longest counts, as in tokenizers.
 */
final class AddedTokens {

    private static final int ASCII = 128;

    private final boolean[] asciiStarts = new boolean[ASCII];
    private boolean otherStarts;
    private final Map<Character, List<Token>> byStart = new HashMap<>();

    record Token(String content, int id) {}

    private AddedTokens() {}

    /** Those of a parsed tokenizer.json, with the ids that the tokenizer gives them: ids that leave gaps it makes its own. */
    static AddedTokens of(JsonNode json, NativeTokenizer tokenizer) {
        AddedTokens tokens = new AddedTokens();
        for (JsonNode each : json.path("added_tokens")) {
            String content = each.path("content").asText();
            if (!each.path("normalized").asBoolean() && !content.isEmpty()) {
                int[] ids = tokenizer.encode(content, false);
                if (ids.length != 1) {
                    throw new IllegalStateException(
                            "the added token " + content + " becomes " + ids.length + " tokens");
                }
                tokens.add(new Token(content, ids[0]));
            }
        }
        tokens.byStart
                .values()
                .forEach(list -> list.sort(
                        Comparator.comparingInt(token -> -token.content().length())));
        return tokens;
    }

    private void add(Token token) {
        char start = token.content().charAt(0);
        if (start < ASCII) {
            asciiStarts[start] = true;
        } else {
            otherStarts = true;
        }
        byStart.computeIfAbsent(start, missing -> new ArrayList<>()).add(token);
    }

    /** Whether some token begins with this character. */
    boolean mayStart(char c) {
        return c < ASCII ? asciiStarts[c] : otherStarts;
    }

    /** The token that stands at a place of a text, or null. */
    Token at(String text, int place) {
        for (Token token : byStart.getOrDefault(text.charAt(place), List.of())) {
            if (text.startsWith(token.content(), place)) {
                return token;
            }
        }
        return null;
    }
}
