// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.Arrays;
import java.util.Locale;

/** How a row holds its example; the values of the key {@code formatting}, which is LLaMA-Factory's name for it. */
public enum Formatting {
    /** Found out from the names of the columns. */
    AUTO,
    /** A conversation of messages with role and content, as OpenAI's, with or without tools. */
    MESSAGES,
    /** A prompt and its completion, of text or of messages, as TRL has them. */
    PROMPT_COMPLETION,
    /** Plain text. */
    TEXT,
    /** Token ids and labels. */
    TOKENS,
    /** Instruction, input and output, in Stanford Alpaca's own prompt. */
    ALPACA,
    /** Instruction, input and output as a conversation, which the chat template renders. */
    ALPACA_CHAT,
    /** A conversation of turns with from and value. */
    SHAREGPT;

    /** The name as job files spell it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** All names. */
    public static String[] keys() {
        return Arrays.stream(values()).map(Formatting::key).toArray(String[]::new);
    }

    /** The value of a name. */
    public static Formatting of(String key) {
        return valueOf(key.toUpperCase(Locale.ROOT));
    }
}
