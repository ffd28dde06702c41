// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.List;

/** The keys of a job file that say what to train on and how it becomes tokens. */
public final class DataKeys {

    private static final String DATA = "Data";

    public static final ConfigKey<String> DATASET = of(
                    DATA,
                    "dataset",
                    ConfigTypes.text("a path or table name"),
                    null,
                    "What to train on: a path that Spark can read (file, folder, glob, any Hadoop filesystem) or a table "
                            + "name.")
            .mandatory();

    public static final ConfigKey<String> DATASET_FORMAT = of(
            DATA,
            "dataset_format",
            ConfigTypes.oneOf("auto", "parquet", "json", "jsonl", "csv", "delta", "table"),
            "auto",
            "How to read it. auto asks the catalog, then looks for a _delta_log folder, then at the files' endings.");

    public static final ConfigKey<String> EVAL_DATASET = of(
            DATA,
            "eval_dataset",
            ConfigTypes.text("a path or table name"),
            null,
            "What evaluate measures on, of the same format and columns. Without it, evaluate takes dataset.");

    public static final ConfigKey<String> MESSAGES_COLUMN = of(
            DATA,
            "messages_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with a conversation: an array of structs with role and content. Without any of the column keys, the "
                    + "columns are found by their usual names (messages, prompt and completion, text, input_ids and labels).");

    public static final ConfigKey<String> TOOLS_COLUMN =
            of(DATA, "tools_column", ConfigTypes.text("a column name"), null, "Column with a conversation's tools.");

    public static final ConfigKey<String> PROMPT_COLUMN =
            of(DATA, "prompt_column", ConfigTypes.text("a column name"), null, "Column with the prompt of a pair.");

    public static final ConfigKey<String> COMPLETION_COLUMN =
            of(DATA, "completion_column", ConfigTypes.text("a column name"), null, "Column with its completion.");

    public static final ConfigKey<String> TEXT_COLUMN = of(
                    DATA, "text_column", ConfigTypes.text("a column name"), null, "Column with plain text.")
            .alias("dataset_text_field");

    public static final ConfigKey<String> CHAT_TEMPLATE = of(
            DATA,
            "chat_template",
            ConfigTypes.text("a Jinja template or the path of a file that holds one"),
            null,
            "Replaces the tokenizer's chat template: the template itself, or a file that ends in .jinja.");

    public static final ConfigKey<String> CHAT_TEMPLATE_DATE = of(
            DATA,
            "chat_template_date",
            ConfigTypes.day(),
            TokenizeOptions.DEFAULT_DATE.toString(),
            "The day that strftime_now tells a chat template, so that the same rows give the same tokens on any day. The "
                    + "default is that of Llama 3's own templates; transformers takes the clock's.");

    public static final ConfigKey<Boolean> ASSISTANT_ONLY_LOSS = of(
            DATA,
            "assistant_only_loss",
            ConfigTypes.bool(),
            true,
            "Whether only the assistant's turns of a conversation count. TRL's default is false.");

    public static final ConfigKey<Boolean> COMPLETION_ONLY_LOSS = of(
            DATA,
            "completion_only_loss",
            ConfigTypes.bool(),
            true,
            "Whether only the completion of a prompt/completion pair counts, as in TRL.");

    public static final ConfigKey<Integer> MAX_SEQ_LENGTH = of(
                    DATA,
                    "max_seq_length",
                    ConfigTypes.atLeast(2),
                    1024,
                    "Most tokens of a packed row. A longer conversation is cut, and rejected if nothing that counts is left.")
            .alias("max_length");

    public static final ConfigKey<Boolean> PACKING = of(
            DATA,
            "packing",
            ConfigTypes.bool(),
            true,
            "Whether several conversations share a row; they never see each other. TRL's default is false.");

    static final List<ConfigKey<?>> ALL = List.of(
            DATASET,
            DATASET_FORMAT,
            EVAL_DATASET,
            MESSAGES_COLUMN,
            TOOLS_COLUMN,
            PROMPT_COLUMN,
            COMPLETION_COLUMN,
            TEXT_COLUMN,
            CHAT_TEMPLATE,
            CHAT_TEMPLATE_DATE,
            ASSISTANT_ONLY_LOSS,
            COMPLETION_ONLY_LOSS,
            MAX_SEQ_LENGTH,
            PACKING);

    private DataKeys() {}
}
