// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.Serializable;
import java.time.LocalDate;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the tokenise job does with a row. Names and defaults are those of TRL's {@code SFTConfig} where it has one.
 *
 * @param messagesColumn the column of conversations, or null to find it
 * @param toolsColumn the column of tool definitions that goes with it, or null to find it
 * @param promptColumn the column of prompts, or null to find it
 * @param completionColumn the column of completions, or null to find it
 * @param textColumn the column of plain text, or null to find it
 * @param chatTemplate a Jinja template in place of the tokenizer's own, or null
 * @param chatTemplateDate the day that {@code strftime_now} tells a template, so that the same rows always give the same
 *     tokens
 * @param maxSeqLength the longest sequence and the capacity of a packed row, in tokens; a row of pairs has twice that
 * @param packing whether rows hold several sequences
 * @param assistantOnlyLoss whether, in a conversation, only the assistant's turns count
 * @param completionOnlyLoss whether, of a prompt and its completion, only the completion counts
 * @param formatting how a row holds its example
 * @param packingStrategy how sequences come to share rows, with packing
 * @param split which side of a validation split is wanted, or null for all rows
 * @param groups the columns that say which group a row belongs to, or null: packed rows hold sequences of one group
 * @param preferences the columns of chosen and rejected answers, where rows are preferences, or null: packed rows hold pairs
 */
public record TokenizeOptions(
        String messagesColumn,
        String toolsColumn,
        String promptColumn,
        String completionColumn,
        String textColumn,
        String chatTemplate,
        LocalDate chatTemplateDate,
        int maxSeqLength,
        boolean packing,
        boolean assistantOnlyLoss,
        boolean completionOnlyLoss,
        Formatting formatting,
        PackingStrategy packingStrategy,
        ValidationSplit split,
        GroupColumns groups,
        PreferenceColumns preferences)
        implements Serializable {

    /** The day that Llama 3's templates take where no clock is given. */
    public static final LocalDate DEFAULT_DATE = LocalDate.of(2024, 7, 26);

    private static final long serialVersionUID = 1L;

    /** @throws io.sparkqlora.kernels.QLoraException QLORA-D058 for values that contradict each other */
    public TokenizeOptions {
        if (maxSeqLength < 2) {
            throw TokenizeErrors.badOption(
                    "max_seq_length",
                    maxSeqLength,
                    "a sequence needs at least 2 tokens, one to predict the other from");
        }
        if (preferences == null && (promptColumn == null) != (completionColumn == null)) {
            throw TokenizeErrors.badOption(
                    promptColumn == null ? "completion_column" : "prompt_column",
                    promptColumn == null ? completionColumn : promptColumn,
                    "prompt_column and completion_column belong together");
        }
        boolean fits =
                switch (formatting) {
                    case AUTO -> true;
                    case MESSAGES, SHAREGPT -> promptColumn == null && textColumn == null;
                    case PROMPT_COMPLETION, ALPACA, ALPACA_CHAT -> messagesColumn == null && textColumn == null;
                    case TEXT -> messagesColumn == null && promptColumn == null;
                    case TOKENS -> messagesColumn == null && promptColumn == null && textColumn == null;
                };
        if (!fits) {
            throw TokenizeErrors.badOption(
                    "formatting",
                    formatting.key(),
                    "a column is named that rows of this kind don't have; drop one of the two");
        }
        int shapes = count(messagesColumn, promptColumn, textColumn);
        if (shapes > 1) {
            throw TokenizeErrors.badOption(
                    "text_column, prompt_column, messages_column",
                    shapes + " of them set",
                    "a dataset has one row shape: keep one");
        }
        if (preferences == null && toolsColumn != null && (promptColumn != null || textColumn != null)) {
            throw TokenizeErrors.badOption("tools_column", toolsColumn, "tools go with messages_column only");
        }
        if (preferences != null) {
            boolean wrapped = packing && packingStrategy == PackingStrategy.WRAPPED;
            boolean tokens = formatting == Formatting.AUTO || formatting == Formatting.TOKENS;
            Map<String, String> others = new LinkedHashMap<>();
            others.put("messages_column", messagesColumn);
            others.put("completion_column", completionColumn);
            others.put("text_column", textColumn);
            others.put("formatting", tokens ? null : formatting.key());
            others.put("packing_strategy", wrapped ? packingStrategy.key() : null);
            PreferenceColumns.requireUnset(others);
        }
        if (groups != null && groups.key() == null) {
            throw TokenizeErrors.badOption(
                    "group_hyperparameters", groups.hyperparameters(), "it goes with group_by only");
        }
    }

    /** Part of every dataset_id: an option that is added and not set leaves the text as it was. */
    @Override
    public String toString() {
        return "TokenizeOptions[messagesColumn=" + messagesColumn + ", toolsColumn=" + toolsColumn + ", promptColumn="
                + promptColumn + ", completionColumn=" + completionColumn + ", textColumn=" + textColumn
                + ", chatTemplate=" + chatTemplate + ", chatTemplateDate=" + chatTemplateDate + ", maxSeqLength="
                + maxSeqLength + ", packing=" + packing + ", assistantOnlyLoss=" + assistantOnlyLoss
                + ", completionOnlyLoss=" + completionOnlyLoss + (groups == null ? "" : ", groups=" + groups)
                + (formatting == Formatting.AUTO ? "" : ", formatting=" + formatting)
                + (wrapped() ? ", packingStrategy=" + packingStrategy : "") + (split == null ? "" : ", split=" + split)
                + (preferences == null ? "" : ", preferences=" + preferences)
                + "]";
    }

    /** Whether rows are cut from one stream of tokens. */
    public boolean wrapped() {
        return packing && packingStrategy == PackingStrategy.WRAPPED;
    }

    /** Whether rows are preferences: pairs of sequences, which stay together. */
    public boolean preference() {
        return preferences != null;
    }

    /** Most tokens of a packed row: each sequence of a pair may have {@code max_seq_length}. */
    public int rowCapacity() {
        return preference() ? Math.multiplyExact(2, maxSeqLength) : maxSeqLength;
    }

    /** The same of other rows. */
    public TokenizeOptions withSplit(ValidationSplit rows) {
        return new TokenizeOptions(
                messagesColumn,
                toolsColumn,
                promptColumn,
                completionColumn,
                textColumn,
                chatTemplate,
                chatTemplateDate,
                maxSeqLength,
                packing,
                assistantOnlyLoss,
                completionOnlyLoss,
                formatting,
                packingStrategy,
                rows,
                groups,
                preferences);
    }

    private static int count(Object... values) {
        int set = 0;
        for (Object value : values) {
            set += value == null ? 0 : 1;
        }
        return set;
    }

    /** A builder with the defaults: columns found by name, 1024 tokens, packing, loss on assistant turns and completions. */
    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link TokenizeOptions}. */
    public static final class Builder {
        private String messagesColumn;
        private String toolsColumn;
        private String promptColumn;
        private String completionColumn;
        private String textColumn;
        private String chatTemplate;
        private LocalDate chatTemplateDate = DEFAULT_DATE;
        private int maxSeqLength = 1024;
        private boolean packing = true;
        private boolean assistantOnlyLoss = true;
        private boolean completionOnlyLoss = true;
        private Formatting formatting = Formatting.AUTO;
        private PackingStrategy packingStrategy = PackingStrategy.BFD;
        private double validationSplitPercentage;
        private String groupBy;
        private String groupHyperparameters;
        private PreferenceColumns preferences;

        private Builder() {}

        public Builder messagesColumn(String value) {
            messagesColumn = value;
            return this;
        }

        public Builder toolsColumn(String value) {
            toolsColumn = value;
            return this;
        }

        public Builder promptColumn(String value) {
            promptColumn = value;
            return this;
        }

        public Builder completionColumn(String value) {
            completionColumn = value;
            return this;
        }

        public Builder textColumn(String value) {
            textColumn = value;
            return this;
        }

        public Builder chatTemplate(String value) {
            chatTemplate = value;
            return this;
        }

        public Builder chatTemplateDate(LocalDate value) {
            chatTemplateDate = value;
            return this;
        }

        public Builder maxSeqLength(int value) {
            maxSeqLength = value;
            return this;
        }

        public Builder packing(boolean value) {
            packing = value;
            return this;
        }

        public Builder assistantOnlyLoss(boolean value) {
            assistantOnlyLoss = value;
            return this;
        }

        public Builder completionOnlyLoss(boolean value) {
            completionOnlyLoss = value;
            return this;
        }

        public Builder formatting(Formatting value) {
            formatting = value;
            return this;
        }

        public Builder packingStrategy(PackingStrategy value) {
            packingStrategy = value;
            return this;
        }

        /** How many of 100 rows are held out of training; 0: none. */
        public Builder validationSplitPercentage(double value) {
            validationSplitPercentage = value;
            return this;
        }

        /** The column of group keys; null: no groups. */
        public Builder groupBy(String value) {
            groupBy = value;
            return this;
        }

        /** The column of groups' hyper-parameters; null: none. */
        public Builder groupHyperparameters(String value) {
            groupHyperparameters = value;
            return this;
        }

        /** Rows are preferences, in these columns; null: they are not. */
        public Builder preferences(PreferenceColumns value) {
            preferences = value;
            return this;
        }

        public TokenizeOptions build() {
            return new TokenizeOptions(
                    messagesColumn,
                    toolsColumn,
                    promptColumn,
                    completionColumn,
                    textColumn,
                    chatTemplate,
                    chatTemplateDate,
                    maxSeqLength,
                    packing,
                    assistantOnlyLoss,
                    completionOnlyLoss,
                    formatting,
                    packingStrategy,
                    validationSplitPercentage == 0 ? null : ValidationSplit.training(validationSplitPercentage),
                    groupBy == null && groupHyperparameters == null
                            ? null
                            : new GroupColumns(groupBy, groupHyperparameters),
                    preferences);
        }
    }
}
