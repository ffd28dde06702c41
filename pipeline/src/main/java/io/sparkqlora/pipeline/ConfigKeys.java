// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.pipeline.internal.config.TargetModulesType;
import io.sparkqlora.tokenize.TokenizeOptions;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.TargetModules;
import java.util.List;

/**
 * Every key of a job file, with its default: the one place where they are defined. Names and meanings are those of
 * transformers' {@code TrainingArguments}, {@code BitsAndBytesConfig}, PEFT's {@code LoraConfig} and TRL's {@code
 * SFTConfig}; where a default differs from theirs, the text says so.
 */
public final class ConfigKeys {

    private static final String MODEL = "Model";
    private static final String DATA = "Data";
    private static final String QUANTIZATION = "Quantisation";
    private static final String LORA = "Adapter";
    private static final String TRAINING = "Training";
    private static final String RUN = "Run";

    public static final ConfigKey<String> MODEL_NAME_OR_PATH = of(
                    MODEL,
                    "model_name_or_path",
                    ConfigTypes.text("the folder of a Hugging Face checkpoint"),
                    null,
                    "Folder of the base checkpoint: config.json, safetensors, tokenizer.json (tokenize needs the last alone). A relative "
                            + "path starts at the working directory, on executors too, where the folder must exist as well.")
            .mandatory();

    public static final ConfigKey<String> BACKEND = of(
            MODEL,
            "backend",
            ConfigTypes.oneOf("auto", "cpu", "cuda"),
            "auto",
            "What the numbers run on. auto is cuda where the build has its kernels and a GPU is found, else cpu, and the run is "
                    + "one of what it became. On a cluster, cuda is the GPU that Spark gave the task, else the first one.");

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

    public static final ConfigKey<Boolean> LOAD_IN_4BIT = of(
            QUANTIZATION,
            "load_in_4bit",
            ConfigTypes.bool(),
            true,
            "Whether the base's linear layers are quantised (bitsandbytes' default is false).");

    public static final ConfigKey<String> BNB_4BIT_QUANT_TYPE = of(
            QUANTIZATION,
            "bnb_4bit_quant_type",
            ConfigTypes.oneOf("nf4", "fp4"),
            "nf4",
            "The 4-bit data type. bitsandbytes' default is fp4.");

    public static final ConfigKey<Boolean> BNB_4BIT_USE_DOUBLE_QUANT = of(
            QUANTIZATION,
            "bnb_4bit_use_double_quant",
            ConfigTypes.bool(),
            true,
            "Whether the blocks' scales are quantised too. bitsandbytes' default is false.");

    public static final ConfigKey<String> BNB_4BIT_COMPUTE_DTYPE = of(
            QUANTIZATION,
            "bnb_4bit_compute_dtype",
            ConfigTypes.oneOf("bfloat16", "float32"),
            "bfloat16",
            "Type of products and activations. The adapter itself is held in float32. bitsandbytes' default is float32.");

    public static final ConfigKey<Boolean> OFFLOAD_EMBEDDING = of(
            QUANTIZATION,
            "offload_embedding",
            ConfigTypes.bool(),
            true,
            "On GPUs, an embedding that isn't tied stays in the host's memory.");

    public static final ConfigKey<Integer> R =
            of(LORA, "r", ConfigTypes.atLeast(1), 8, "Rank of the adapter.").alias("lora_r");

    public static final ConfigKey<Double> LORA_ALPHA = of(
            LORA,
            "lora_alpha",
            ConfigTypes.number(Range.above(0)),
            8.0,
            "The adapter's output is scaled by lora_alpha / r.");

    public static final ConfigKey<Double> LORA_DROPOUT = of(
            LORA,
            "lora_dropout",
            ConfigTypes.number(Range.halfOpen(0, 1)),
            0.0,
            "Probability of dropping an element of the adapter's input while training, in steps of 1/32768.");

    public static final ConfigKey<TargetModules> TARGET_MODULES = of(
                    LORA,
                    "target_modules",
                    TargetModulesType.TYPE,
                    TargetModules.allLinear(),
                    "Which linear layers get an adapter: all-linear, a list of names or ends of names (`[q_proj, v_proj]`), or "
                            + "one regular expression for the whole name. PEFT's default depends on the family.")
            .alias("lora_target_modules");

    public static final ConfigKey<Boolean> USE_RSLORA =
            of(LORA, "use_rslora", ConfigTypes.bool(), false, "Whether the scale is lora_alpha / √r instead.");

    public static final ConfigKey<String> BIAS =
            of(LORA, "bias", ConfigTypes.oneOf("none"), "none", "Which biases are trained. Only none in this version.");

    public static final ConfigKey<Double> LEARNING_RATE =
            of(TRAINING, "learning_rate", ConfigTypes.number(Range.atLeast(0)), 5e-5, "Top of the schedule.");

    public static final ConfigKey<String> LR_SCHEDULER_TYPE = of(
            TRAINING,
            "lr_scheduler_type",
            ConfigTypes.oneOf("linear", "cosine", "constant", "constant_with_warmup"),
            "linear",
            "How the learning rate falls.");

    public static final ConfigKey<Integer> WARMUP_STEPS = of(
            TRAINING,
            "warmup_steps",
            ConfigTypes.atLeast(0),
            0,
            "Steps of linear warm-up. Takes precedence over warmup_ratio.");

    public static final ConfigKey<Double> WARMUP_RATIO = of(
            TRAINING,
            "warmup_ratio",
            ConfigTypes.number(Range.closed(0, 1)),
            0.0,
            "Warm-up as a part of all steps, rounded up.");

    public static final ConfigKey<Integer> MAX_STEPS = of(
            TRAINING,
            "max_steps",
            ConfigTypes.positiveOr("num_train_epochs to decide"),
            -1,
            "Optimizer steps of the run, over as many epochs as it takes; -1: num_train_epochs decides.");

    public static final ConfigKey<Double> NUM_TRAIN_EPOCHS =
            of(TRAINING, "num_train_epochs", ConfigTypes.number(Range.above(0)), 3.0, "Passes over the data.");

    public static final ConfigKey<Integer> PER_DEVICE_TRAIN_BATCH_SIZE = of(
            TRAINING,
            "per_device_train_batch_size",
            ConfigTypes.atLeast(1),
            8,
            "Packed rows that go through the model at once.");

    public static final ConfigKey<Integer> GRADIENT_ACCUMULATION_STEPS = of(
            TRAINING,
            "gradient_accumulation_steps",
            ConfigTypes.atLeast(1),
            1,
            "Batches of one optimizer step. The loss is normalised by the counted tokens of all of them.");

    public static final ConfigKey<Double> MAX_GRAD_NORM = of(
            TRAINING,
            "max_grad_norm",
            ConfigTypes.number(Range.atLeast(0)),
            1.0,
            "Gradients are scaled down to this 2-norm; 0: no clipping.");

    public static final ConfigKey<Double> WEIGHT_DECAY =
            of(TRAINING, "weight_decay", ConfigTypes.number(Range.atLeast(0)), 0.0, "AdamW's decoupled weight decay.");

    public static final ConfigKey<String> OPTIM = of(
            TRAINING,
            "optim",
            ConfigTypes.oneOf(Optim.names().toArray(String[]::new)),
            Optim.ADAMW_TORCH.toString(),
            "The optimizer: AdamW with its moments in 32 or 8 bits; paged: in the host's memory.");

    public static final ConfigKey<Double> ADAM_BETA1 =
            of(TRAINING, "adam_beta1", ConfigTypes.number(Range.halfOpen(0, 1)), 0.9, "Decay of AdamW's first moment.");

    public static final ConfigKey<Double> ADAM_BETA2 = of(
            TRAINING, "adam_beta2", ConfigTypes.number(Range.halfOpen(0, 1)), 0.999, "Decay of AdamW's second moment.");

    public static final ConfigKey<Double> ADAM_EPSILON = of(
            TRAINING,
            "adam_epsilon",
            ConfigTypes.number(Range.atLeast(0)),
            1e-8,
            "Added to the root of AdamW's second moment.");

    public static final ConfigKey<Long> SEED = of(
            TRAINING,
            "seed",
            ConfigTypes.anyLong(),
            42L,
            "Of initialisation, data order and dropout. The same seed gives the same adapter, bit for bit.");

    public static final ConfigKey<String> RECOMPUTE = of(
            TRAINING,
            "recompute",
            ConfigTypes.oneOf("none", "selective", "full"),
            "none",
            "What the backward pass computes again to save memory; all three give the same bits. "
                    + "`gradient_checkpointing: true` is full, `false` is none.");

    public static final ConfigKey<String> OUTPUT_DIR = of(
                    RUN,
                    "output_dir",
                    ConfigTypes.text("a path"),
                    null,
                    "Root of the Delta tables, on any Hadoop filesystem. Several runs may share it.")
            .mandatory()
            .operational();

    public static final ConfigKey<String> RUN_ID = of(
                    RUN,
                    "run_id",
                    ConfigTypes.text("letters, digits, '.', '_' and '-'")
                            .where("letters, digits, '.', '_' and '-'", id -> id.matches("[A-Za-z0-9._-]{1,128}")),
                    null,
                    "Name of the run. Without it, one is derived from the keys that are set, the base and the data, so that "
                            + "the same command goes on with the same run.")
            .operational();

    public static final ConfigKey<Boolean> RESUME = of(
                    RUN,
                    "resume",
                    ConfigTypes.bool(),
                    true,
                    "Whether to go on with the run of that name. false (or --fresh) starts another one under a new name.")
            .operational();

    public static final ConfigKey<Integer> SAVE_STEPS = of(
            RUN,
            "save_steps",
            ConfigTypes.atLeast(1),
            500,
            "Steps between commits: of one Spark job, after which adapter and state are in the tables.");

    public static final ConfigKey<Integer> SAVE_TOTAL_LIMIT = of(
                    RUN,
                    "save_total_limit",
                    ConfigTypes.atLeast(1),
                    2,
                    "Training states kept of a run; older ones are deleted. Adapters are all kept. transformers keeps all.")
            .operational();

    public static final ConfigKey<Integer> LOGGING_STEPS = of(
            RUN,
            "logging_steps",
            ConfigTypes.atLeast(1),
            1,
            "A row of metrics every so many steps; its loss is the mean since the row before. transformers' default is 500.");

    private static final List<ConfigKey<?>> ALL = GroupKeys.after(ExecutorKeys.after(List.of(
            MODEL_NAME_OR_PATH,
            BACKEND,
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
            PACKING,
            LOAD_IN_4BIT,
            BNB_4BIT_QUANT_TYPE,
            BNB_4BIT_USE_DOUBLE_QUANT,
            BNB_4BIT_COMPUTE_DTYPE,
            OFFLOAD_EMBEDDING,
            R,
            LORA_ALPHA,
            LORA_DROPOUT,
            TARGET_MODULES,
            USE_RSLORA,
            BIAS,
            LEARNING_RATE,
            LR_SCHEDULER_TYPE,
            WARMUP_STEPS,
            WARMUP_RATIO,
            MAX_STEPS,
            NUM_TRAIN_EPOCHS,
            PER_DEVICE_TRAIN_BATCH_SIZE,
            GRADIENT_ACCUMULATION_STEPS,
            MAX_GRAD_NORM,
            WEIGHT_DECAY,
            OPTIM,
            ADAM_BETA1,
            ADAM_BETA2,
            ADAM_EPSILON,
            SEED,
            RECOMPUTE,
            OUTPUT_DIR,
            RUN_ID,
            RESUME,
            SAVE_STEPS,
            SAVE_TOTAL_LIMIT,
            LOGGING_STEPS)));

    private ConfigKeys() {}

    /** All keys, in the reference's order. */
    public static List<ConfigKey<?>> all() {
        return ALL;
    }
}
