// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.pipeline.internal.config.TextLists;
import io.sparkqlora.tokenize.Formatting;
import io.sparkqlora.tokenize.PackingStrategy;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.List;

/** The keys of a job file that say what to train on and how it becomes tokens. */
public final class DataKeys {

    private static final String DATA = "Data";

    public static final ConfigKey<String> DATASET = of(
                    DATA,
                    "dataset",
                    TextLists.type("a path or table name, or a list of them"),
                    null,
                    "What to train on: a path that Spark can read (file, folder, glob, any Hadoop filesystem) or a table "
                            + "name, or several, each of which may have columns of its own.")
            .mandatory();

    public static final ConfigKey<String> MIX_STRATEGY = of(
            DATA,
            "mix_strategy",
            ConfigTypes.oneOf("concat", "interleave_under", "interleave_over"),
            "concat",
            "How several datasets are mixed, as LLaMA-Factory names it: concat has every row once; interleave_under leaves "
                    + "rows out, and interleave_over repeats rows, until the datasets stand in the proportions of "
                    + "interleave_probs. A hash of a row's content picks which, so the same data gives the same mix.");

    public static final ConfigKey<String> INTERLEAVE_PROBS = of(
            DATA,
            "interleave_probs",
            TextLists.numbers("a list of numbers above 0, one a dataset"),
            null,
            "Each dataset's part of the rows, in the order of dataset; scaled to a sum of 1.");

    public static final ConfigKey<String> DATASET_FORMAT = of(
            DATA,
            "dataset_format",
            ConfigTypes.oneOf("auto", "parquet", "json", "jsonl", "csv", "delta", "table"),
            "auto",
            "How to read it. auto asks the catalog, then looks for a _delta_log folder, then at the files' endings.");

    public static final ConfigKey<String> EVAL_DATASET = of(
            DATA,
            "eval_dataset",
            TextLists.type("a path or table name, or a list of them"),
            null,
            "What evaluate measures on, of the same format and columns. Without it, evaluate takes what "
                    + "validation_split_percentage holds out of dataset, or all of dataset.");

    public static final ConfigKey<Double> VALIDATION_SPLIT_PERCENTAGE = of(
            DATA,
            "validation_split_percentage",
            ConfigTypes.number(Range.halfOpen(0, 100)),
            0.0,
            "How many of 100 rows are held out of training, for evaluate. A hash of a row's own content decides, so a row "
                    + "stays on its side whatever rows are added, and copies stay together.");

    public static final ConfigKey<String> FORMATTING = of(
            DATA,
            "formatting",
            ConfigTypes.oneOf(Formatting.keys()),
            "auto",
            "How a row holds its example, as LLaMA-Factory names it: messages (role and content, as OpenAI's, with "
                    + "tool_calls, the role tool and a column tools; content is a text or a list of parts of type text, which a "
                    + "template that knows none gets as one text); prompt_completion (of text or of messages, as TRL's); text; "
                    + "tokens (input_ids and labels); alpaca (instruction, input, output in Stanford's prompt); alpaca_chat "
                    + "(the same as a conversation for the chat template); sharegpt (conversations of from and value). auto "
                    + "takes the column keys, or the usual names.");

    public static final ConfigKey<String> MESSAGES_COLUMN = of(
            DATA,
            "messages_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with a conversation: an array of structs with role and content. Without any of the column keys, the "
                    + "columns are found by their usual names (messages, prompt and completion, text, input_ids and labels, conversations, "
                    + "instruction and output).");

    public static final ConfigKey<String> TOOLS_COLUMN =
            of(DATA, "tools_column", ConfigTypes.text("a column name"), null, "Column with a conversation's tools.");

    public static final ConfigKey<String> PROMPT_COLUMN = of(
            DATA,
            "prompt_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with the prompt of a pair, or the instruction.");

    public static final ConfigKey<String> COMPLETION_COLUMN = of(
            DATA,
            "completion_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with its completion, or the output.");

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
                    "Most tokens of a packed row. A longer conversation is cut, and rejected if nothing that counts is left. Of "
                            + "preferences, most tokens of each of the two.")
            .alias("max_length");

    public static final ConfigKey<Boolean> PACKING = of(
            DATA,
            "packing",
            ConfigTypes.bool(),
            true,
            "Whether several conversations share a row; they never see each other. TRL's default is false.");

    public static final ConfigKey<String> PACKING_STRATEGY = of(
            DATA,
            "packing_strategy",
            ConfigTypes.oneOf(PackingStrategy.keys()),
            "bfd",
            "How they share it, as in TRL: bfd is best-fit decreasing, each whole (cut at max_seq_length); wrapped is one stream "
                    + "of tokens, cut where a row is full: nothing is lost, but what stands before in the row is seen.");

    static final List<ConfigKey<?>> ALL = List.of(
            DATASET,
            DATASET_FORMAT,
            MIX_STRATEGY,
            INTERLEAVE_PROBS,
            EVAL_DATASET,
            VALIDATION_SPLIT_PERCENTAGE,
            FORMATTING,
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
            PACKING,
            PACKING_STRATEGY);

    private DataKeys() {}
}
