// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.internal.json.JsonFields;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * PEFT's {@code adapter_config.json}.
 *
 * @param lora the options
 * @param baseModelNameOrPath the base, or null
 */
public record AdapterConfigJson(LoraConfig lora, String baseModelNameOrPath) {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String HUB = "hf://";

    /** The text for an adapter, with every key that PEFT writes. */
    public static String write(Adapter adapter) {
        LoraConfig lora = adapter.config();
        ObjectNode root = AdapterKeys.defaults();
        putBase(adapter.baseModelNameOrPath(), root);
        root.put("r", lora.r());
        root.put("lora_dropout", lora.loraDropout());
        root.put("use_rslora", lora.useRslora());
        root.set("rank_pattern", JSON.valueToTree(lora.rankPattern().toConfigValue()));
        root.set("alpha_pattern", JSON.valueToTree(lora.alphaPattern().toConfigValue()));
        root.put("use_dora", lora.useDora());
        root.put("bias", lora.bias().name().toLowerCase(Locale.ROOT));
        write(lora.layers(), root);
        if (!lora.modulesToSave().isEmpty()) {
            root.set("modules_to_save", JSON.valueToTree(lora.modulesToSave()));
        }
        if (lora.initLoraWeights().kind() == InitLoraWeights.Kind.GAUSSIAN) {
            root.put("init_lora_weights", "gaussian");
        }
        root.set("target_modules", JSON.valueToTree(lora.targetModules().toConfigValue()));
        if (lora.loraAlpha() == Math.rint(lora.loraAlpha()) && Math.abs(lora.loraAlpha()) < Integer.MAX_VALUE) {
            root.put("lora_alpha", (int) lora.loraAlpha());
        } else {
            root.put("lora_alpha", lora.loraAlpha());
        }
        try {
            return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Of a model of the Hub ({@code hf://name@revision}) PEFT wants the name and the revision apart. */
    private static void putBase(String base, ObjectNode root) {
        if (base == null || !base.startsWith(HUB)) {
            root.put("base_model_name_or_path", base);
            return;
        }
        int at = base.indexOf('@');
        root.put("base_model_name_or_path", base.substring(HUB.length(), at < 0 ? base.length() : at));
        if (at >= 0) {
            root.put("revision", base.substring(at + 1));
        }
    }

    private static void write(LayerChoice layers, ObjectNode root) {
        if (layers.excludeModules() != null) {
            root.set("exclude_modules", JSON.valueToTree(layers.excludeModules().toConfigValue()));
        }
        if (!layers.layersToTransform().isEmpty()) {
            root.set("layers_to_transform", JSON.valueToTree(layers.layersToTransform()));
        }
        if (!layers.layersPattern().isEmpty()) {
            root.set("layers_pattern", JSON.valueToTree(layers.layersPattern()));
        }
    }

    /** Reads a file; refuses by name every option that would change the computation and can't be run. */
    public static AdapterConfigJson read(Path file) {
        JsonFields fields =
                JsonFields.read(file, "an adapter is a folder that PEFT's save_pretrained wrote; check the path");
        AdapterKeys.refuseUnsupported(fields);
        return new AdapterConfigJson(lora(fields), base(fields.json()));
    }

    /** What {@link #putBase} wrote. */
    private static String base(JsonNode json) {
        JsonNode base = json.path("base_model_name_or_path");
        JsonNode revision = json.path("revision");
        if (!base.isTextual() || base.asText().isEmpty()) {
            return null;
        }
        boolean onHub = revision.isTextual() && !base.asText().startsWith("/");
        return onHub ? HUB + base.asText() + "@" + revision.asText() : base.asText();
    }

    private static LoraConfig lora(JsonFields fields) {
        return LoraConfig.builder()
                .r(fields.positiveInt("r", 8))
                .loraAlpha(number(fields, "lora_alpha", 8, Double.MAX_VALUE))
                .loraDropout(number(fields, "lora_dropout", 0, Math.nextDown(1.0)))
                .useRslora(fields.flag("use_rslora"))
                .rankPattern(pattern(fields, "rank_pattern", true))
                .alphaPattern(pattern(fields, "alpha_pattern", false))
                .useDora(fields.flag("use_dora"))
                .bias(Bias.valueOf(fields.json().path("bias").asText("none").toUpperCase(Locale.ROOT)))
                .targetModules(targetModules(fields))
                .modulesToSave(modulesToSave(fields))
                .layers(LayerChoiceJson.read(fields))
                .initLoraWeights(
                        fields.json().path("init_lora_weights").asText().equals("gaussian")
                                ? InitLoraWeights.GAUSSIAN
                                : InitLoraWeights.TRUE)
                .build();
    }

    private static double number(JsonFields fields, String key, double absent, double max) {
        JsonNode node = fields.json().path(key);
        if (!fields.has(key)) {
            return absent;
        }
        if (!node.isNumber() || !(node.asDouble() >= 0 && node.asDouble() <= max)) {
            throw fields.wrong(key, "a number from 0 to " + max);
        }
        return node.asDouble();
    }

    private static ModulePattern pattern(JsonFields fields, String key, boolean ranks) {
        Map<String, Number> values = new LinkedHashMap<>();
        JsonNode node = fields.json().path(key);
        node.fields()
                .forEachRemaining(entry -> values.put(
                        entry.getKey(),
                        entry.getValue().isNumber() ? entry.getValue().asDouble() : Double.NaN));
        boolean wrong = fields.has(key) && !node.isObject();
        if (wrong || !values.values().stream().allMatch(value -> allowed(value.doubleValue(), ranks))) {
            throw fields.wrong(key, "module names with " + (ranks ? "a rank" : "a number") + " each");
        }
        return ModulePattern.of(values);
    }

    private static boolean allowed(double value, boolean rank) {
        return rank ? value >= 1 && value == (int) value : value >= 0 && value <= Double.MAX_VALUE;
    }

    private static List<String> modulesToSave(JsonFields fields) {
        JsonNode node = fields.json().path("modules_to_save");
        List<String> names = new ArrayList<>();
        node.forEach(name -> names.add(name.isTextual() ? name.asText() : ""));
        if (fields.has("modules_to_save") && (!node.isArray() || names.stream().anyMatch(String::isBlank))) {
            throw fields.wrong("modules_to_save", "a list of module names");
        }
        return names;
    }

    private static TargetModules targetModules(JsonFields fields) {
        JsonNode node = fields.json().path("target_modules");
        if (node.isTextual()) {
            return TargetModules.of(node.asText());
        }
        List<String> names = new ArrayList<>();
        node.forEach(name -> names.add(name.isTextual() ? name.asText() : ""));
        if (!node.isArray() || names.isEmpty() || names.contains("")) {
            throw fields.wrong("target_modules", "a list of module names or a string");
        }
        return TargetModules.names(names);
    }
}
