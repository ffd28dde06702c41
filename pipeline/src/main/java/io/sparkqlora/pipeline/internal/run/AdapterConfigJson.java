// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** An adapter's configuration as the JSON object beside its tensors, under PEFT's names. */
public final class AdapterConfigJson {

    private AdapterConfigJson() {}

    /** The configuration as one line. */
    public static String write(LoraConfig config) {
        Map<String, Object> values = new TreeMap<>();
        values.put("r", config.r());
        values.put("lora_alpha", config.loraAlpha());
        values.put("lora_dropout", config.loraDropout());
        values.put("use_rslora", config.useRslora());
        if (config.useDora()) {
            values.put("use_dora", true);
        }
        if (config.bias() != Bias.NONE) {
            values.put("bias", config.bias().name().toLowerCase(Locale.ROOT));
        }
        if (!config.modulesToSave().isEmpty()) {
            values.put("modules_to_save", config.modulesToSave());
        }
        values.put("target_modules", config.targetModules().toConfigValue());
        put(values, config.layers());
        put(values, "rank_pattern", config.rankPattern());
        put(values, "alpha_pattern", config.alphaPattern());
        if (!config.initLoraWeights().equals(InitLoraWeights.TRUE)) {
            values.put("init_lora_weights", config.initLoraWeights().toString());
        }
        if (config.initLoraWeights().kind() == InitLoraWeights.Kind.LOFTQ) {
            values.put(
                    "loftq_config",
                    Map.of("loftq_iter", config.initLoraWeights().iterations()));
        }
        return ConfigJson.text(values);
    }

    private static void put(Map<String, Object> values, LayerChoice layers) {
        if (layers.excludeModules() != null) {
            values.put("exclude_modules", layers.excludeModules().toConfigValue());
        }
        if (!layers.layersToTransform().isEmpty()) {
            values.put("layers_to_transform", layers.layersToTransform());
        }
        if (!layers.layersPattern().isEmpty()) {
            values.put("layers_pattern", layers.layersPattern());
        }
    }

    private static void put(Map<String, Object> values, String key, ModulePattern pattern) {
        if (!pattern.entries().isEmpty()) {
            values.put(key, pattern.toConfigValue());
        }
    }

    /** What {@link #write} wrote. */
    public static LoraConfig read(String json) {
        Map<String, Object> values = ConfigJson.values(json);
        return LoraConfig.builder()
                .r(((Number) values.get("r")).intValue())
                .loraAlpha(((Number) values.get("lora_alpha")).doubleValue())
                .loraDropout(((Number) values.get("lora_dropout")).doubleValue())
                .useRslora((Boolean) values.get("use_rslora"))
                .bias(Bias.valueOf(
                        String.valueOf(values.getOrDefault("bias", "none")).toUpperCase(Locale.ROOT)))
                .useDora((Boolean) values.getOrDefault("use_dora", false))
                .targetModules(targets(values.get("target_modules")))
                .layers(layers(values))
                .modulesToSave(texts(values, "modules_to_save"))
                .rankPattern(pattern(values.get("rank_pattern")))
                .alphaPattern(pattern(values.get("alpha_pattern")))
                .initLoraWeights(init(values))
                .build();
    }

    private static InitLoraWeights init(Map<String, Object> values) {
        Object iterations =
                values.get("loftq_config") instanceof Map<?, ?> options ? options.get("loftq_iter") : (Object) 0;
        return InitLoraWeights.named(
                String.valueOf(values.getOrDefault("init_lora_weights", "true")), ((Number) iterations).intValue());
    }

    private static ModulePattern pattern(Object value) {
        Map<String, Number> numbers = new LinkedHashMap<>();
        if (value instanceof Map<?, ?> mapping) {
            mapping.forEach((expression, number) -> numbers.put(String.valueOf(expression), (Number) number));
        }
        return ModulePattern.of(numbers);
    }

    private static LayerChoice layers(Map<String, Object> values) {
        Object excluded = values.get("exclude_modules");
        List<?> layers = (List<?>) values.getOrDefault("layers_to_transform", List.of());
        return new LayerChoice(
                excluded == null ? null : targets(excluded),
                layers.stream().map(layer -> ((Number) layer).intValue()).toList(),
                texts(values, "layers_pattern"));
    }

    private static List<String> texts(Map<String, Object> values, String key) {
        List<?> texts = (List<?>) values.getOrDefault(key, List.of());
        return texts.stream().map(String::valueOf).toList();
    }

    private static TargetModules targets(Object value) {
        return value instanceof List<?> names
                ? TargetModules.names(names.stream().map(String::valueOf).toList())
                : TargetModules.of(String.valueOf(value));
    }
}
