// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.LoraInitTypes;
import io.sparkqlora.pipeline.internal.config.ModulePatternType;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.pipeline.internal.config.TargetModulesType;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import java.util.List;
import java.util.Map;

/** The keys of a job file that say what is trained. */
public final class AdapterKeys {

    private static final String LORA = "Adapter";

    public static final ConfigKey<String> ADAPTER_NAME_OR_PATH = of(
            LORA,
            "adapter_name_or_path",
            ConfigTypes.text("the folder of an adapter that PEFT's save_pretrained, or export, wrote"),
            null,
            "Adapter to go on from, as LLaMA-Factory's: a folder with adapter_config.json and adapter_model.safetensors, on "
                    + "executors too. Its options are the job's (r, lora_alpha, target_modules and the others of this section; "
                    + "one that is set and differs is refused, except for lora_dropout); its weights are what training starts "
                    + "from, or each group's. The optimizer and the schedule start anew: an optimizer.pt is not read.");

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

    public static final ConfigKey<TargetModules> EXCLUDE_MODULES = of(
            LORA,
            "exclude_modules",
            TargetModulesType.EXCLUDED,
            null,
            "Which of them get none after all: a list of names or ends of names, or one regular expression for the whole name.");

    public static final ConfigKey<List<Integer>> LAYERS_TO_TRANSFORM = of(
            LORA,
            "layers_to_transform",
            ConfigTypes.integers("a layer's number, from 0 on, or a list of them"),
            null,
            "The decoder layers whose modules get an adapter. Without it, all do.");

    public static final ConfigKey<List<String>> LAYERS_PATTERN = of(
            LORA,
            "layers_pattern",
            ConfigTypes.texts("a regular expression or a list of them"),
            null,
            "What stands before the layer's number in a module's name, such as layers; for layers_to_transform alone.");

    public static final ConfigKey<String> INIT_LORA_WEIGHTS = of(
            LORA,
            "init_lora_weights",
            LoraInitTypes.INIT,
            "true",
            "How the adapter begins: true is A uniform in ±1/√in_features, gaussian A normal with deviation 1/r, both with B of zeros. "
                    + "pissa takes the weight's leading singular triplets, and the base keeps the rest, quantised where it is; "
                    + "pissa_niter_N looks for them in N iterations, as torch.svd_lowrank, instead of as many as it takes. loftq takes those of what 4 bits lose (loftq_config). "
                    + "Both need a checkpoint that is not stored quantised. export writes what was trained over another base as an "
                    + "adapter of twice the rank for the checkpoint as it is stored.");

    public static final ConfigKey<Map<String, Double>> LOFTQ_CONFIG = of(
            LORA,
            "loftq_config",
            LoraInitTypes.LOFTQ,
            Map.of(),
            "Of init_lora_weights: loftq. loftq_iter (1) is how often the weight less the adapter's product is quantised and the product "
                    + "made of what that lost; loftq_bits is 4, in the job's format (bnb_4bit_quant_type and the others).");

    public static final ConfigKey<Boolean> USE_RSLORA =
            of(LORA, "use_rslora", ConfigTypes.bool(), false, "Whether the scale is lora_alpha / √r instead.");

    public static final ConfigKey<ModulePattern> RANK_PATTERN = of(
            LORA,
            "rank_pattern",
            ModulePatternType.RANKS,
            ModulePattern.NONE,
            "Ranks of modules that have another than r: regular expressions for the end of a module's name after a dot, or all of "
                    + "it, the first that matches counting, as in `{v_proj: 16, \".*layers[.]0[.].*\": 4}`. Layers that read one "
                    + "input (q, k and v; gate and up) are fastest with one rank and one scale.");

    public static final ConfigKey<ModulePattern> ALPHA_PATTERN = of(
            LORA,
            "alpha_pattern",
            ModulePatternType.ALPHAS,
            ModulePattern.NONE,
            "Likewise lora_alpha of modules that have another.");

    public static final ConfigKey<Boolean> USE_DORA = of(
            LORA,
            "use_dora",
            ConfigTypes.bool(),
            false,
            "Whether the lengths of the weights' rows are trained apart from their directions (DoRA): the layer's output is scaled "
                    + "by a trained magnitude over the norm of W + scaling · B·A, column by column. Not with shard_base.");

    public static final ConfigKey<String> BIAS = of(
            LORA,
            "bias",
            ConfigTypes.oneOf("none", "all", "lora_only"),
            "none",
            "Which biases of the base's linear layers are trained: all, or those of layers with an adapter (lora_only). Of the "
                    + "families Qwen 2 has some, on q_proj, k_proj and v_proj; where there are none, nothing more is trained. "
                    + "weight_decay leaves them alone, as in transformers.");

    public static final ConfigKey<List<String>> MODULES_TO_SAVE = of(
            LORA,
            "modules_to_save",
            ConfigTypes.texts("a module's name or an end of it, or a list of them"),
            null,
            "Modules of the base that are trained whole beside the adapter and saved in its files: embed_tokens, lm_head and norms. An "
                    + "entry means each module whose name ends with it, as in PEFT, so norm means every norm. Masters, gradients and "
                    + "moments are in F32 (of embed_tokens also with optimizers in 8 bits), which plan shows; a commit takes masters and "
                    + "moments through the Java heap, so give executors and, for export, the driver memory for them. Where the "
                    + "base ties embed_tokens and lm_head, what is trained is no longer tied. Not with group_by or stage: dpo.");

    /** All of them. */
    public static final List<ConfigKey<?>> ALL = List.of(
            ADAPTER_NAME_OR_PATH,
            R,
            LORA_ALPHA,
            LORA_DROPOUT,
            TARGET_MODULES,
            EXCLUDE_MODULES,
            LAYERS_TO_TRANSFORM,
            LAYERS_PATTERN,
            INIT_LORA_WEIGHTS,
            LOFTQ_CONFIG,
            USE_RSLORA,
            RANK_PATTERN,
            ALPHA_PATTERN,
            USE_DORA,
            BIAS,
            MODULES_TO_SAVE);

    private AdapterKeys() {}
}
