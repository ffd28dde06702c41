// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.Map;

/** A real, if simple, tokenizer for tests of the job: a token a UTF-16 unit, loss on completions and assistant turns. */
final class CharacterTokenizer implements ExampleTokenizer {

    private final int maxLength;

    private CharacterTokenizer(int maxLength) {
        this.maxLength = maxLength;
    }

    static ExampleTokenizer.Source source(int maxLength) {
        return () -> new CharacterTokenizer(maxLength);
    }

    @Override
    public Outcome tokenize(Example example) {
        if (example instanceof Example.Preference pair) {
            Outcome chosen = tokenize(pair.chosen());
            Outcome rejected = tokenize(pair.rejected());
            return chosen instanceof Outcome.Tokenized better && rejected instanceof Outcome.Tokenized worse
                    ? new Outcome.Pair(better, worse)
                    : new Outcome.Rejected("template_error", "no role named error");
        }
        StringBuilder text = new StringBuilder();
        StringBuilder mask = new StringBuilder();
        if (example instanceof Example.Conversation conversation) {
            for (Map<String, Object> message : conversation.messages()) {
                if ("error".equals(message.get("role"))) {
                    return new Outcome.Rejected("template_error", "no role named error");
                }
                append(text, mask, (String) message.get("content"), "assistant".equals(message.get("role")));
            }
        } else if (example instanceof Example.PromptCompletion pair) {
            append(text, mask, pair.prompt(), false);
            append(text, mask, pair.completion(), true);
        } else if (example instanceof Example.Text plain) {
            append(text, mask, plain.text(), true);
        }
        return tokens(text, mask);
    }

    private static void append(StringBuilder text, StringBuilder mask, String part, boolean counts) {
        text.append(part);
        mask.append((counts ? "1" : "0").repeat(part.length()));
    }

    private Outcome tokens(StringBuilder text, StringBuilder mask) {
        int length = Math.min(maxLength, text.length());
        int[] ids = new int[length];
        int[] labels = new int[length];
        for (int i = 0; i < length; i++) {
            ids[i] = text.charAt(i);
            labels[i] = mask.charAt(i) == '1' ? ids[i] : -100;
        }
        return new Outcome.Tokenized(ids, labels, length < text.length());
    }
}
