// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Keys of transformers, PEFT, TRL and bitsandbytes that people know and that have no counterpart here: refused with the
 * reason, so that nobody believes that they took effect.
 */
public final class UnsupportedKeys {

    private static final String PRECISION =
            "the compute type is the key bnb_4bit_compute_dtype (bfloat16, float16 or float32), for a dense base too";
    private static final String VARIANT = "plain LoRA, rsLoRA (use_rslora) and DoRA (use_dora) are what is trained";
    private static final String LAYERS = "say which layers with target_modules";
    private static final String SPARK = "Spark distributes the work";
    private static final String TABLES = "results go to the Delta tables under output_dir";
    private static final String STRATEGY =
            "a commit is made every save_steps steps, and an evaluation every eval_steps (eval_strategy)";

    private static final String REFERENCE = "the reference is the base without the adapter, in each step";
    private static final String PAIR_LOSS =
            "of preferences the loss is DPO's (loss_type sigmoid, beta, label_smoothing)";

    private static final Map<String, String> REASONS = reasons();

    private UnsupportedKeys() {}

    /** Why a key is refused, or empty if it is not one of those. */
    public static Optional<String> reason(String key) {
        return Optional.ofNullable(REASONS.get(key));
    }

    private static Map<String, String> reasons() {
        Map<String, String> reasons = new HashMap<>();
        put(reasons, PRECISION, "fp16", "bf16", "tf32", "torch_dtype", "dtype", "bf16_full_eval", "fp16_full_eval");
        put(reasons, PRECISION, "autocast_adapter_dtype", "fp16_opt_level");
        put(reasons, "its entries are keys of the job file (load_in_4bit, load_in_8bit …)", "quantization_config");
        put(reasons, "the base is frozen, so its weights are kept in 8 bits alone", "llm_int8_has_fp16_weight");
        put(reasons, "every layer is on the device", "llm_int8_enable_fp32_cpu_offload");
        put(reasons, VARIANT, "use_qalora", "eva_config", "corda_config");
        put(reasons, VARIANT, "peft_type", "trainable_token_indices", "lora_bias", "megatron_config", "arrow_config");
        put(
                reasons,
                "adapters are LoRA's, of causal language models whose weights are [out_features, in_features]",
                "fan_in_fan_out",
                "task_type");
        put(
                reasons,
                "embed_tokens and lm_head among modules_to_save are two weights, even if the base ties them",
                "ensure_weight_tying");
        put(reasons, LAYERS, "target_parameters", "layer_replication");
        put(reasons, SPARK, "deepspeed", "fsdp", "fsdp_config", "ddp_backend", "local_rank");
        put(
                reasons,
                SPARK,
                "dataloader_num_workers",
                "dataset_num_proc",
                "dataloader_pin_memory",
                "no_cuda",
                "use_cpu");
        put(reasons, TABLES, "run_name", "push_to_hub", "hub_model_id", "disable_tqdm");
        put(reasons, STRATEGY, "save_strategy", "logging_strategy", "eval_on_start", "eval_delay");
        put(
                reasons,
                STRATEGY,
                "resume_from_checkpoint",
                "overwrite_output_dir",
                "do_train",
                "do_eval",
                "save_only_model");
        put(reasons, REFERENCE, "precompute_ref_log_probs", "ref_model", "ref_adapter_name", "sync_ref_model");
        put(reasons, REFERENCE, "ref_model_mixup_alpha", "ref_model_sync_steps", "precompute_ref_batch_size");
        put(reasons, PAIR_LOSS, "f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting");
        put(reasons, PAIR_LOSS, "discopop_tau", "rpo_alpha", "loss_weights", "pref_ftx", "simpo_gamma");
        put(reasons, "an answer is cut at its end (max_seq_length)", "truncation_mode", "max_prompt_length");
        put(reasons, "max_seq_length is for prompt and answer together", "max_completion_length");
        put(reasons, "lora_dropout says whether there is any, the reference has none", "disable_dropout");
        put(reasons, "the order is a function of seed and epoch", "group_by_length", "length_column_name", "data_seed");
        put(reasons, "an epoch's last, smaller batch is used", "dataloader_drop_last");
        put(reasons, "there is one seed for everything", "full_determinism", "shuffle_dataset");
        put(reasons, "code is not downloaded", "trust_remote_code", "use_auth_token", "token", "revision");
        put(reasons, "no compiler is involved", "torch_compile", "use_liger_kernel", "attn_implementation");
        put(reasons, "recompute has no options", "gradient_checkpointing_kwargs");
        put(reasons, "the device is not chosen by a map", "device_map", "low_cpu_mem_usage");
        put(reasons, "packing keeps sequences apart", "eval_packing", "padding_free");
        put(
                reasons,
                "evaluate takes per_device_train_batch_size",
                "per_device_eval_batch_size",
                "eval_accumulation_steps");
        put(reasons, "optimizers have no options", "optim_args", "optim_target_modules");
        return Map.copyOf(reasons);
    }

    private static void put(Map<String, String> reasons, String reason, String... keys) {
        for (String key : keys) {
            reasons.put(key, reason);
        }
    }
}
