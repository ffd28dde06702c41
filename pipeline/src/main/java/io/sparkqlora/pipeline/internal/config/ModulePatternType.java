// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.train.ModulePattern;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** PEFT's {@code rank_pattern} and {@code alpha_pattern}: a mapping whose order counts, or the text of one as YAML has it. */
public final class ModulePatternType {

    /** Whole numbers. */
    public static final ConfigType<ModulePattern> RANKS =
            type("module names or regular expressions with a rank each, as {v_proj: 16}", ConfigTypes.atLeast(1));

    /** Numbers. */
    public static final ConfigType<ModulePattern> ALPHAS = type(
            "module names or regular expressions with a number above 0 each, as {v_proj: 32}",
            ConfigTypes.number(Range.above(0)));

    private ModulePatternType() {}

    private static ConfigType<ModulePattern> type(String allowed, ConfigType<? extends Number> number) {
        return new ConfigType<>("mapping", allowed, node -> read(node, number), pattern -> true);
    }

    private static Optional<ModulePattern> read(JsonNode node, ConfigType<? extends Number> number) {
        JsonNode mapping =
                node.isTextual() ? JobFile.option("mapping=" + node.asText()).value() : node;
        if (!mapping.isObject()) {
            return Optional.empty();
        }
        Map<String, Number> values = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> entry : mapping.properties()) {
            Optional<? extends Number> value = number.parse(entry.getValue());
            if (value.isEmpty()) {
                return Optional.empty();
            }
            values.put(entry.getKey(), value.get());
        }
        return Optional.of(ModulePattern.of(values));
    }
}
