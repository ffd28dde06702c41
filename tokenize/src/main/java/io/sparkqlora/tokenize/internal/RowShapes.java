// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.Formatting;
import io.sparkqlora.tokenize.GroupColumns;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeErrors;
import io.sparkqlora.tokenize.TokenizeOptions;
import io.sparkqlora.tokenize.internal.RowShape.Kind;
import java.util.List;

/**
 * Decides a source's row shape: what the options name, else {@code messages}, {@code prompt}+{@code completion}, {@code text},
 * {@code input_ids}+{@code labels}, {@code conversations}, {@code instruction}+{@code output}.
 */
public final class RowShapes {

    private static final String MESSAGES = "messages";
    private static final String CONVERSATIONS = "conversations";
    private static final String TOOLS = "tools";
    private static final String PROMPT = "prompt";
    private static final String COMPLETION = "completion";
    private static final String INSTRUCTION = "instruction";
    private static final String INPUT = "input";
    private static final String OUTPUT = "output";
    private static final String TEXT = "text";
    private static final String CHOSEN = "chosen";
    private static final String REJECTED = "rejected";
    private static final String INPUT_IDS = "input_ids";
    private static final String LABELS = "labels";
    private static final String SEQUENCE_LENGTHS = "sequence_lengths";

    private final SourceRows source;
    private final List<String> columns;
    private final TokenizeOptions options;

    private RowShapes(SourceRows source, TokenizeOptions options) {
        this.source = source;
        this.columns = source.columns();
        this.options = options;
    }

    /**
     * The shape of a source's rows.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D052 for a named column that isn't there, D053 when no name fits,
     *     D060 for a column of a type that can't hold the shape
     */
    public static RowShape of(SourceRows source, TokenizeOptions options) {
        RowShapes shapes = new RowShapes(source, options);
        RowShape shape = (options.preference() ? shapes.preference() : shapes.shape(shapes.formatting(false), false))
                .groupedBy(options.groups());
        shapes.requireGroups();
        if (!source.jsonText()) {
            ColumnTypes.check(source, shape);
        }
        return shape;
    }

    /**
     * The shape of prompts: a conversation, a prompt or an instruction whose answer is to be written, or the beginning of a text.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #of}
     */
    public static RowShape ofPrompts(SourceRows source, TokenizeOptions options) {
        RowShapes shapes = new RowShapes(source, options);
        RowShape shape = shapes.shape(shapes.formatting(true), true);
        if (!source.jsonText()) {
            ColumnTypes.check(source, shape);
        }
        return shape;
    }

    /** What is said, or which column is named, or which usual names there are. */
    private Formatting formatting(boolean prompts) {
        if (options.formatting() != Formatting.AUTO) {
            return options.formatting();
        }
        if (options.messagesColumn() != null) {
            return Formatting.MESSAGES;
        }
        if (options.promptColumn() != null) {
            return Formatting.PROMPT_COMPLETION;
        }
        return options.textColumn() != null ? Formatting.TEXT : byName(prompts);
    }

    private Formatting byName(boolean prompts) {
        if (columns.contains(MESSAGES)) {
            return Formatting.MESSAGES;
        }
        if (columns.contains(PROMPT) && (prompts || columns.contains(COMPLETION))) {
            return Formatting.PROMPT_COMPLETION;
        }
        if (columns.contains(TEXT)) {
            return Formatting.TEXT;
        }
        if (columns.contains(INPUT_IDS) && columns.contains(LABELS)) {
            return Formatting.TOKENS;
        }
        if (columns.contains(CONVERSATIONS)) {
            return Formatting.SHAREGPT;
        }
        if (columns.contains(INSTRUCTION) && (prompts || columns.contains(OUTPUT))) {
            return Formatting.ALPACA;
        }
        throw TokenizeErrors.noShape(columns);
    }

    private RowShape shape(Formatting formatting, boolean prompts) {
        return switch (formatting) {
            case AUTO -> throw new IllegalStateException("the formatting was decided");
            case MESSAGES -> conversation(Kind.MESSAGES, named(options.messagesColumn(), MESSAGES));
            case SHAREGPT -> conversation(Kind.SHAREGPT, named(options.messagesColumn(), CONVERSATIONS));
            case TEXT -> new RowShape(Kind.TEXT, required("text_column", named(options.textColumn(), TEXT)), null);
            case TOKENS -> new RowShape(Kind.TOKENS, required("formatting", INPUT_IDS), required("formatting", LABELS));
            case PROMPT_COMPLETION -> prompts ? prompt() : promptCompletion();
            case ALPACA -> alpaca(Kind.ALPACA, prompts);
            case ALPACA_CHAT -> alpaca(Kind.ALPACA_CHAT, prompts);
        };
    }

    private RowShape conversation(Kind kind, String column) {
        required("messages_column", column);
        if (options.toolsColumn() != null) {
            required("tools_column", options.toolsColumn());
        }
        return new RowShape(kind, column, named(options.toolsColumn(), optional(TOOLS)));
    }

    private RowShape promptCompletion() {
        String prompt = required("prompt_column", named(options.promptColumn(), PROMPT));
        String completion = required("completion_column", named(options.completionColumn(), COMPLETION));
        // tools go with messages, and of a table only what is needed is read
        boolean messages = source.jsonText() || ColumnTypes.list(source, prompt);
        return new RowShape(Kind.PROMPT_COMPLETION, prompt, completion, messages ? optional(TOOLS) : null);
    }

    /** Named columns, or the usual names, or tokens. */
    private RowShape preference() {
        boolean tokens = options.formatting() == Formatting.TOKENS
                || (options.preferences().chosen() == null
                        && !columns.contains(CHOSEN)
                        && columns.contains(SEQUENCE_LENGTHS));
        if (tokens) {
            return new RowShape(
                    Kind.TOKENS,
                    required("formatting", INPUT_IDS),
                    required("formatting", LABELS),
                    required("formatting", SEQUENCE_LENGTHS));
        }
        String chosen = required("chosen_column", named(options.preferences().chosen(), CHOSEN));
        String rejected =
                required("rejected_column", named(options.preferences().rejected(), REJECTED));
        String prompt =
                options.promptColumn() == null ? optional(PROMPT) : required("prompt_column", options.promptColumn());
        if (options.toolsColumn() != null) {
            required("tools_column", options.toolsColumn());
        }
        boolean messages = source.jsonText() || ColumnTypes.list(source, chosen);
        String tools = named(options.toolsColumn(), messages ? optional(TOOLS) : null);
        return new RowShape(Kind.PREFERENCE, prompt, chosen, rejected, tools, null);
    }

    private RowShape prompt() {
        String prompt = required("prompt_column", named(options.promptColumn(), PROMPT));
        return ColumnTypes.list(source, prompt)
                ? new RowShape(Kind.MESSAGES, prompt, optional(TOOLS))
                : new RowShape(Kind.TEXT, prompt, null);
    }

    private RowShape alpaca(Kind kind, boolean prompts) {
        String instruction = required("prompt_column", named(options.promptColumn(), INSTRUCTION));
        String output = named(options.completionColumn(), OUTPUT);
        return new RowShape(kind, instruction, prompts ? null : required("completion_column", output), optional(INPUT));
    }

    private static String named(String column, String usual) {
        return column == null ? usual : column;
    }

    private String optional(String column) {
        return columns.contains(column) ? column : null;
    }

    private String required(String option, String column) {
        if (!columns.contains(column)) {
            throw TokenizeErrors.noSuchColumn(option, column, columns, Nearest.of(column, columns));
        }
        return column;
    }

    private void requireGroups() {
        GroupColumns groups = options.groups();
        if (groups != null) {
            required("group_by", groups.key());
        }
        if (groups != null && groups.hyperparameters() != null) {
            required("group_hyperparameters", groups.hyperparameters());
        }
    }
}
