// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.List;
import java.util.Set;

/** The keys of PEFT's {@code adapter_config.json} (0.21), and which of them may say something. */
final class AdapterKeys {

    /** Keys that may hold anything: they are read elsewhere or do not change what a trained adapter computes. */
    private static final Set<String> FREE = Set.of(
            "alpha_pattern",
            "auto_mapping",
            "base_model_name_or_path",
            "ensure_weight_tying",
            "exclude_modules",
            "inference_mode",
            "layers_pattern",
            "layers_to_transform",
            "loftq_config",
            "lora_alpha",
            "lora_dropout",
            "megatron_core",
            "modules_to_save",
            "peft_version",
            "qalora_group_size",
            "r",
            "rank_pattern",
            "revision",
            "runtime_config",
            "target_modules",
            "use_dora",
            "use_rslora");

    /** Initialisations that leave the base as it is; the others (pissa, olora, loftq, corda…) subtract from it. */
    private static final Set<String> INITIALISATIONS =
            Set.of("true", "false", "null", "\"gaussian\"", "\"eva\"", "\"orthogonal\"");

    private static final List<String> NULL = List.of(
            "alora_invocation_tokens",
            "arrow_config",
            "auto_mapping",
            "base_model_name_or_path",
            "corda_config",
            "eva_config",
            "exclude_modules",
            "kasa_config",
            "layer_replication",
            "layers_pattern",
            "layers_to_transform",
            "lora_ga_config",
            "megatron_config",
            "modules_to_save",
            "monteclora_config",
            "revision",
            "target_parameters",
            "trainable_token_indices",
            "use_bdlora",
            "velora_config");

    private static final List<String> FALSE =
            List.of("ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_dora", "use_qalora", "use_rslora");

    private AdapterKeys() {}

    /** Every key with the value that PEFT gives it by default. */
    static ObjectNode defaults() {
        ObjectNode root = new ObjectMapper().createObjectNode();
        NULL.forEach(root::putNull);
        FALSE.forEach(key -> root.put(key, false));
        List.of("alpha_pattern", "loftq_config", "rank_pattern").forEach(root::putObject);
        return root.put("bias", "none")
                .put("inference_mode", true)
                .put("init_lora_weights", true)
                .put("megatron_core", "megatron.core")
                .put("peft_type", "LORA")
                .put("peft_version", "0.21.0")
                .put("qalora_group_size", 16)
                .put("task_type", "CAUSAL_LM");
    }

    /** Keys that PEFT may add later are allowed as long as they say nothing (null, false, empty). */
    static void refuseUnsupported(JsonFields fields) {
        requireOneOf(fields, "peft_type", Set.of("\"LORA\""));
        requireOneOf(fields, "task_type", Set.of("\"CAUSAL_LM\"", "null"));
        requireOneOf(fields, "bias", Set.of("\"none\"", "\"all\"", "\"lora_only\"", "null"));
        requireOneOf(fields, "init_lora_weights", INITIALISATIONS);
        if (says(fields.json().path("modules_to_save"))
                && fields.json().path("ensure_weight_tying").asBoolean()) {
            JsonNode tying = fields.json().path("ensure_weight_tying");
            throw unsupported(
                    fields, "ensure_weight_tying", tying, "beside modules_to_save it must be false or absent");
        }
        Set<String> checked = Set.of("peft_type", "task_type", "bias", "init_lora_weights");
        fields.json().fields().forEachRemaining(field -> {
            if (!FREE.contains(field.getKey()) && !checked.contains(field.getKey()) && says(field.getValue())) {
                throw unsupported(fields, field.getKey(), field.getValue(), "it must be null, false or empty");
            }
        });
    }

    private static boolean says(JsonNode value) {
        boolean empty = value.isContainerNode() && value.isEmpty();
        return !(value.isMissingNode()
                || value.isNull()
                || empty
                || value.toString().equals("false"));
    }

    private static void requireOneOf(JsonFields fields, String key, Set<String> allowed) {
        JsonNode value = fields.json().path(key);
        String text = value.isMissingNode() ? "null" : value.toString();
        if (!allowed.contains(text)) {
            throw unsupported(
                    fields,
                    key,
                    value,
                    "supported is "
                            + String.join(", ", allowed.stream().sorted().toList()));
        }
    }

    private static RuntimeException unsupported(JsonFields fields, String key, JsonNode value, String supported) {
        String text = value.isMissingNode() ? "absent" : value.toString();
        return TrainErrors.unsupportedAdapter(fields.source(), key, text, supported);
    }
}
