// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.GroupColumns;
import java.io.Serializable;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Which columns hold the example.
 *
 * @param kind how they hold it
 * @param first the column of messages, prompts, texts or token ids
 * @param second the column of tools (may be null), completions or labels; null for text
 * @param groups the columns that say which group a row belongs to, or null
 */
public record RowShape(Kind kind, String first, String second, GroupColumns groups) implements Serializable {

    private static final long serialVersionUID = 1L;

    /** The shapes. */
    public enum Kind {
        /** A list of messages with role and content, or that list as JSON text. */
        MESSAGES,
        /** Two columns of text. */
        PROMPT_COMPLETION,
        /** One column of text. */
        TEXT,
        /** Two columns of whole numbers: token ids, and labels. */
        TOKENS
    }

    RowShape(Kind kind, String first, String second) {
        this(kind, first, second, null);
    }

    RowShape groupedBy(GroupColumns columns) {
        return new RowShape(kind, first, second, columns);
    }

    /** The columns of the example. */
    List<String> exampleColumns() {
        return Stream.of(first, second).filter(Objects::nonNull).toList();
    }

    /** The columns to read. */
    List<String> columns() {
        Stream<String> ofGroups = groups == null ? Stream.of() : groups.names().stream();
        return Stream.concat(exampleColumns().stream(), ofGroups).distinct().toList();
    }
}
