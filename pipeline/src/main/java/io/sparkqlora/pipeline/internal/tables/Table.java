// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import static io.sparkqlora.pipeline.internal.tables.Column.bytes;
import static io.sparkqlora.pipeline.internal.tables.Column.list;
import static io.sparkqlora.pipeline.internal.tables.Column.number;
import static io.sparkqlora.pipeline.internal.tables.Column.small;
import static io.sparkqlora.pipeline.internal.tables.Column.text;
import static io.sparkqlora.pipeline.internal.tables.Column.time;
import static io.sparkqlora.pipeline.internal.tables.Column.whole;
import static org.apache.spark.sql.types.DataTypes.BooleanType;
import static org.apache.spark.sql.types.DataTypes.IntegerType;
import static org.apache.spark.sql.types.DataTypes.LongType;

import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.types.StructType;

/**
 * The Delta tables under a job's output directory, the one place where their schemas are defined. A schema changes only by
 * adding columns; big binary columns stand last, so that readers of the others skip them.
 */
public enum Table {
    RUNS(
            "One row a training run: what went in, how far it is.",
            List.of("run_id"),
            text("run_id", "name of the run"),
            text(
                    "status",
                    "running, finished, partial (some groups failed), interrupted (by a signal), diverged (the loss was not "
                            + "finite) or failed"),
            text(
                    "base_model",
                    "the base checkpoint, as the job names it; a model of the Hub is at its commit in config's model_name_or_path"),
            text("base_model_fingerprint", "hash of the base's configuration and weight headers"),
            text("tokenizer_hash", "hash of the tokenizer's files"),
            text("dataset", "source of the data, as configured"),
            text("dataset_version", "version of a Delta source, or a hash of the source's files"),
            text("dataset_id", "rows of token_shards that it trains on"),
            text("config", "all keys in force, as a JSON object"),
            text("versions", "versions of spark-qlora, Spark, Delta and Java, as a JSON object"),
            whole("total_steps", "optimizer steps of the whole run"),
            whole("last_step", "steps that are committed"),
            time("started_at", "when the run was first started"),
            time("updated_at", "when this row was last written"),
            time("ended_at", "when it finished or failed; null while it runs"),
            text("error", "why it failed, one line"),
            text("device", "what it was started on, such as cuda:0 (NVIDIA H200)"),
            text(
                    "eval_dataset_id",
                    "rows of token_shards that are held out of it and evaluated; null without eval_strategy"),
            text(
                    "adapter_hash",
                    "hash of the files of the adapter that it started from; null without adapter_name_or_path")),

    METRICS(
            "One row a logged step, and one an evaluation (eval_strategy).",
            List.of("run_id"),
            text("run_id", "name of the run"),
            whole("step", "optimizer steps done, this one included"),
            number("epoch", "passes over the data after this step, with its fraction"),
            number(
                    "loss",
                    "mean cross-entropy of the counted tokens, in nats, or loss of the pairs (stage: dpo); the mean of the "
                            + "steps since the row before"),
            number("learning_rate", "of this step"),
            number("grad_norm", "2-norm of all adapter gradients before clipping"),
            whole("num_tokens", "tokens that went through the model since the row before"),
            whole("num_target_tokens", "counted tokens since the row before"),
            number("tokens_per_second", "over the steps since the row before"),
            whole("device_bytes", "most device memory in use since the executor opened the device"),
            whole("chunk", "Spark job of the run, from 0, that the step was part of"),
            time("ts", "when the step ended, by the executor's clock"),
            text("group_key", "the group whose step it is; null in a run without groups"),
            number(
                    "eval_loss",
                    "of a row that is an evaluation, whose loss is null: mean cross-entropy of the counted tokens that are "
                            + "held out, or loss of the pairs"),
            number("eval_runtime", "seconds that the evaluation took"),
            number(
                    "rewards_chosen",
                    "of preferences: mean of beta times by how many nats the adapter makes a chosen answer likelier"),
            number("rewards_rejected", "the same of rejected answers"),
            number("rewards_accuracies", "part of the pairs whose chosen answer has the higher reward"),
            number("rewards_margins", "rewards_chosen less rewards_rejected"),
            number("logps_chosen", "mean log-probability of a chosen answer with the adapter, in nats"),
            number("logps_rejected", "the same of rejected answers"),
            number(
                    "loss_scale",
                    "factor on the loss of this step, where bnb_4bit_compute_dtype is float16; a step for which it was too "
                            + "large has a grad_norm that is not finite and updated nothing")),

    ADAPTERS(
            "One row a tensor of each committed adapter, or a piece of one: of a large weight that modules_to_save names.",
            List.of("run_id"),
            text("run_id", "name of the run"),
            text("adapter_id", "run_id@step; of a group, run_id/group_key@step"),
            whole("step", "optimizer steps it has seen"),
            text(
                    "name",
                    "PEFT's name, such as base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight; of a piece with its rows "
                            + "behind it, base_model.model.lm_head.weight[0:4096]"),
            text("dtype", "element type, as safetensors names it"),
            list("shape", LongType, "dimensions, outermost first"),
            text(
                    "adapter_config",
                    "r, lora_alpha, lora_dropout, use_rslora, use_dora, bias and modules_to_save where they are set, target_modules, as "
                            + "a JSON object"),
            text("group_key", "the group that it was trained on; null in a run without groups"),
            bytes("data", "the elements, row-major, little-endian")),

    GROUPS(
            "One row a group of a run with group_by: how it stands. A run's rows are replaced by each commit.",
            List.of("run_id"),
            text("run_id", "name of the run"),
            text("group_key", "the group's value of the column group_by"),
            text("status", "waiting, running, done (its adapter is there) or failed"),
            whole("steps", "optimizer steps that it has made"),
            whole("total_steps", "that it is to make"),
            number("loss", "of the last row of its metrics"),
            text("error_code", "code of the error that ended it"),
            text("error", "why it failed, one line"),
            whole("rows", "packed rows"),
            whole("num_tokens", "tokens of its rows"),
            whole("num_target_tokens", "tokens that count in the loss"),
            text("hyperparameters", "what its rows say (group_hyperparameters), as JSON"),
            whole("wave", "last Spark job of the run, from 0, that it was part of; chunk in metrics"),
            text("adapter_id", "run_id/group_key@step, where it is done"),
            time("updated_at", "when this row was last written")),

    TRAINING_STATE(
            "What a run needs to go on bit for bit; of each run only the last save_total_limit commits. Its commit is what "
                    + "makes a chunk count.",
            List.of("run_id", "chunk"),
            text("run_id", "name of the run"),
            whole("chunk", "Spark job of the run, from 0, after which it was taken"),
            whole("step", "optimizer steps done"),
            text("name", "a parameter's PEFT name, or exp_avg. or the like before it"),
            text("dtype", "element type, as safetensors names it"),
            list("shape", LongType, "dimensions, outermost first"),
            bytes("data", "the elements, row-major, little-endian")),

    TOKEN_SHARDS(
            "One row a packed row of tokens: where tokenising and training meet.",
            List.of("dataset_id"),
            text("dataset_id", "hash of the source and its version, the tokenizer, the template and the options"),
            whole("row_index", "0 to n-1 within the dataset_id"),
            small("num_tokens", "tokens of the row"),
            small("num_target_tokens", "tokens that count in the loss"),
            small("num_sequences", "sequences in the row; they never see each other"),
            text("group_key", "the group (group_by) that all its sequences belong to; null without groups"),
            text(
                    "hyperparameters",
                    "what the group's rows say (group_hyperparameters), as JSON; an array of two where they disagree"),
            list("sequence_lengths", IntegerType, "tokens of each sequence"),
            list("input_ids", IntegerType, "tokens of all sequences, one after another"),
            list("labels", IntegerType, "the token where it counts, -100 where it does not"),
            small(
                    "num_pairs",
                    "pairs of a chosen and a rejected sequence, one after the other, in the row; null where rows are no "
                            + "preferences")),

    REJECTED_ROWS(
            "One row a source row that could not be used.",
            List.of("dataset_id"),
            text("dataset_id", "hash of the source and its version, the tokenizer, the template and the options"),
            text("source_row", "the row as JSON, cut at 2,000 characters"),
            text("reason", "short name of the reason"),
            text("detail", "what exactly is wrong"),
            text("group_key", "the row's group, if it has one")),

    EVALUATIONS(
            "One row an evaluation.",
            List.of(),
            text("run_id", "name of the run; null of an adapter in a folder"),
            text("adapter_id", "the adapter, as in adapters; or its folder"),
            whole("step", "optimizer steps of the adapter; null of one in a folder"),
            text("dataset", "source of the data, as configured"),
            text("dataset_id", "rows of token_shards that it was measured on"),
            number(
                    "loss",
                    "mean cross-entropy of the counted tokens with the adapter, in nats; of preferences mean loss of the pairs"),
            number("perplexity", "exp(loss); null of preferences"),
            number(
                    "base_loss",
                    "mean cross-entropy without the adapter; of preferences ln 2, the loss of no difference"),
            number("base_perplexity", "exp(base_loss); null of preferences"),
            whole("num_rows", "packed rows"),
            whole("num_target_tokens", "counted tokens"),
            time("ts", "when it was done"),
            text("group_key", "the adapter's group; null in a run without groups"),
            number(
                    "exact_match",
                    "part of the answers that are the expected ones; null without --predict-with-generate"),
            number("rouge1", "mean F-measure of single words, as rouge-score computes it"),
            number("rouge2", "mean F-measure of pairs of words"),
            number("rougeL", "mean F-measure of the longest common subsequence of words"),
            whole("num_pairs", "of preferences: pairs"),
            number(
                    "rewards_chosen",
                    "of preferences: mean of beta times by how many nats the adapter makes a chosen answer likelier"),
            number("rewards_rejected", "the same of rejected answers"),
            number("rewards_accuracies", "part of the pairs whose chosen answer has the higher reward"),
            number("rewards_margins", "rewards_chosen less rewards_rejected"),
            number("logps_chosen", "mean log-probability of a chosen answer with the adapter, in nats"),
            number("logps_rejected", "the same of rejected answers")),

    PREDICTIONS(
            "One row an answer: of evaluate --predict-with-generate, or to a table of prompts (generate --dataset).",
            List.of("run_id"),
            text("run_id", "name of the run; null of an adapter in a folder"),
            text("adapter_id", "the adapter, as in adapters; or its folder"),
            whole("step", "optimizer steps of the adapter; null of one in a folder"),
            text("dataset", "source of the data, as configured"),
            text("dataset_id", "rows of token_shards that were answered; null for a table of prompts"),
            whole("row_index", "of the packed row in token_shards"),
            whole("sequence", "the sequence's place in that row, from 0"),
            number("loss", "mean cross-entropy of the sequence's counted tokens with the adapter, in nats"),
            whole("num_target_tokens", "its counted tokens"),
            new Column("exact_match", BooleanType, "whether the answer is the expected one but for blanks around it"),
            number("rouge1", "F-measure of single words, as rouge-score computes it"),
            number("rouge2", "F-measure of pairs of words"),
            number("rougeL", "F-measure of the longest common subsequence of words"),
            text("prompt", "what was continued, without special tokens"),
            text("reference", "what was expected: the last tokens that count"),
            text("prediction", "the answer; null where there is none"),
            text("rejection", "why there is none; null where there is one"),
            text("group_key", "the adapter's group; null in a run without groups"),
            time("ts", "when it was done"));

    private final String comment;
    private final List<String> partitionedBy;
    private final List<Column> columns;

    Table(String comment, List<String> partitionedBy, Column... columns) {
        this.comment = comment;
        this.partitionedBy = partitionedBy;
        this.columns = List.of(columns);
    }

    /** Its folder under the output directory. */
    public String folder() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** What its rows are. */
    public String comment() {
        return comment;
    }

    /** Partition columns. */
    public List<String> partitionedBy() {
        return partitionedBy;
    }

    /** Its columns, in order. */
    public List<Column> columns() {
        return columns;
    }

    /** Its schema. */
    public StructType schema() {
        StructType schema = new StructType();
        for (Column column : columns) {
            schema = schema.add(column.field());
        }
        return schema;
    }
}
