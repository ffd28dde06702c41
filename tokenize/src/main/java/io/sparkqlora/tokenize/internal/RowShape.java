// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.io.Serializable;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Which columns hold the example.
 *
 * @param kind how they hold it
 * @param first the column of messages, prompts or texts
 * @param second the column of tools (may be null) or completions; null for text
 */
public record RowShape(Kind kind, String first, String second) implements Serializable {

    private static final long serialVersionUID = 1L;

    /** The shapes. */
    public enum Kind {
        /** A list of messages with role and content, or that list as JSON text. */
        MESSAGES,
        /** Two columns of text. */
        PROMPT_COMPLETION,
        /** One column of text. */
        TEXT
    }

    /** The columns to read. */
    List<String> columns() {
        return Stream.of(first, second).filter(Objects::nonNull).toList();
    }
}
