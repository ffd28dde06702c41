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
 * @param first the column of messages, prompts (null where chosen and rejected begin with them), instructions, texts or token ids
 * @param second the column of tools (may be null), completions, outputs (null for prompts), labels or chosen answers; null for text
 * @param third the column of inputs beside instructions, of tools beside prompts and completions, of rejected answers, of the
 *     lengths of two sequences beside their tokens, or null
 * @param fourth the column of tools beside chosen and rejected answers, or null
 * @param groups the columns that say which group a row belongs to, or null
 */
public record RowShape(Kind kind, String first, String second, String third, String fourth, GroupColumns groups)
        implements Serializable {

    private static final long serialVersionUID = 1L;

    /** The shapes. */
    public enum Kind {
        /** A list of messages with role and content, or that list as JSON text. */
        MESSAGES,
        /** Two columns of text or of messages. */
        PROMPT_COMPLETION,
        /** One column of text. */
        TEXT,
        /** Two columns of whole numbers: token ids, and labels; a third one where they are of two sequences. */
        TOKENS,
        /** A better and a worse answer, of text or of messages, with the prompt in a column of its own or before both. */
        PREFERENCE,
        /** Instruction, input and output as text. */
        ALPACA,
        /** The same as a conversation. */
        ALPACA_CHAT,
        /** A list of turns with from and value, or that list as JSON text. */
        SHAREGPT;

        /** Whether the chat template renders it. */
        public boolean chat() {
            return this == MESSAGES || this == ALPACA_CHAT || this == SHAREGPT;
        }

        /** Whether a column may hold a list. */
        boolean lists() {
            return this == MESSAGES || this == SHAREGPT || this == PROMPT_COMPLETION || this == PREFERENCE;
        }
    }

    RowShape(Kind kind, String first, String second) {
        this(kind, first, second, null, null, null);
    }

    RowShape(Kind kind, String first, String second, String third) {
        this(kind, first, second, third, null, null);
    }

    /** Whether a row is two sequences. */
    boolean pairs() {
        return kind == Kind.PREFERENCE || (kind == Kind.TOKENS && third != null);
    }

    RowShape groupedBy(GroupColumns columns) {
        return new RowShape(kind, first, second, third, fourth, columns);
    }

    /** The columns of the example. */
    List<String> exampleColumns() {
        return Stream.of(first, second, third, fourth).filter(Objects::nonNull).toList();
    }

    /** The columns to read. */
    List<String> columns() {
        Stream<String> ofGroups = groups == null ? Stream.of() : groups.names().stream();
        return Stream.concat(exampleColumns().stream(), ofGroups).distinct().toList();
    }
}
