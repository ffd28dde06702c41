// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.train.TargetModules;
import java.util.List;
import java.util.Optional;

/** PEFT's {@code target_modules}: a list means names, a single text means {@code all-linear} or a regular expression. */
public final class TargetModulesType {

    private static final String WORDS = "all-linear, a list of module names, or a regular expression";

    private static final ConfigType<List<String>> TEXTS = ConfigTypes.texts(WORDS);

    /** The type. */
    public static final ConfigType<TargetModules> TYPE =
            new ConfigType<>("string or list of strings", WORDS, TargetModulesType::read, targets -> true);

    private static final String EXCLUDED_WORDS = "a list of module names, or a regular expression";

    /** The same for modules that are left out, of which there is no word for all. */
    public static final ConfigType<TargetModules> EXCLUDED = new ConfigType<>(
            "string or list of strings",
            EXCLUDED_WORDS,
            TargetModulesType::read,
            targets -> targets.kind() != TargetModules.Kind.ALL_LINEAR);

    private TargetModulesType() {}

    private static Optional<TargetModules> read(JsonNode node) {
        return TEXTS.parse(node)
                .map(texts -> node.isArray() ? TargetModules.names(texts) : TargetModules.of(texts.get(0)));
    }
}
