// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which of the targeted layers get an adapter after all: PEFT's {@code exclude_modules}, {@code layers_to_transform} and
 * {@code layers_pattern}.
 *
 * @param excludeModules modules that get none, by list or regular expression; null for none
 * @param layersToTransform numbers of the decoder layers that get one; empty: all
 * @param layersPattern what stands before the number in a module's name; empty: whatever does
 */
public record LayerChoice(TargetModules excludeModules, List<Integer> layersToTransform, List<String> layersPattern)
        implements Serializable {

    /** Every targeted layer. */
    public static final LayerChoice ALL = new LayerChoice(null, List.of(), List.of());

    public LayerChoice {
        layersToTransform = List.copyOf(layersToTransform);
        layersPattern = List.copyOf(layersPattern);
        if (!layersPattern.isEmpty() && layersToTransform.isEmpty()) {
            throw OptionErrors.patternWithoutLayers(layersPattern);
        }
        if (layersToTransform.stream().anyMatch(layer -> layer < 0)) {
            throw TrainErrors.badArgument("layers_to_transform", layersToTransform, "numbers of layers, from 0 on");
        }
        layersPattern.forEach(LayerChoice::prefix);
    }

    private static Pattern prefix(String pattern) {
        try {
            return Pattern.compile("(?:^|.*?\\.)" + pattern + "\\.(?<index>\\d+)\\.");
        } catch (PatternSyntaxException e) {
            throw TrainErrors.badArgument("layers_pattern", pattern, "a regular expression");
        }
    }

    /** Whether a module is excluded. */
    public boolean excludes(String moduleName) {
        return excludeModules != null && excludeModules.matches(moduleName);
    }

    /** Whether a module's layer is one of those that get an adapter. */
    public boolean takes(String moduleName) {
        if (layersToTransform.isEmpty()) {
            return true;
        }
        OptionalInt layer = layer(moduleName);
        return layer.isPresent() && layersToTransform.contains(layer.getAsInt());
    }

    /** The number in a module's name, as PEFT finds it. */
    public OptionalInt layer(String moduleName) {
        List<Pattern> patterns = layersPattern.isEmpty()
                ? List.of(Pattern.compile(".*?\\.[^.]*\\.(?<index>\\d+)\\."))
                : layersPattern.stream().map(LayerChoice::prefix).toList();
        for (Pattern pattern : patterns) {
            Matcher matcher = pattern.matcher(moduleName);
            if (matcher.lookingAt()) {
                return OptionalInt.of(Integer.parseInt(matcher.group("index")));
            }
        }
        return OptionalInt.empty();
    }
}
