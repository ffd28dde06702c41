// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.Bias;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.OptionErrors;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainedPartErrors;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** Finds the linear layers that {@code target_modules} means, as PEFT does. */
public final class LoraTargets {

    private LoraTargets() {}

    /**
     * Names of the layers that get an adapter, in the order of {@code modules}.
     *
     * @param modules full names of all linear layers
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry matches none of them
     */
    public static Set<String> resolve(TargetModules targets, Collection<String> modules) {
        for (String value : targets.kind() == TargetModules.Kind.NAMES ? targets.values() : List.<String>of()) {
            if (modules.stream().noneMatch(TargetModules.names(value)::matches)) {
                throw TrainErrors.targetMatchesNothing(value, lastNames(modules));
            }
        }
        Set<String> matched = new LinkedHashSet<>(modules);
        matched.removeIf(name -> !targets.matches(name));
        if (matched.isEmpty()) {
            throw TrainErrors.targetMatchesNothing(String.valueOf(targets.toConfigValue()), lastNames(modules));
        }
        return matched;
    }

    /**
     * The same, less what the configuration leaves out.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry is of no module, or nothing is left
     */
    public static Set<String> resolve(LoraConfig lora, Collection<String> modules) {
        Set<String> targeted = resolve(lora.targetModules(), modules);
        LayerChoice layers = lora.layers();
        requireUsed(layers, targeted);
        Set<String> exact = lora.targetModules().kind() == TargetModules.Kind.NAMES
                ? Set.copyOf(lora.targetModules().values())
                : Set.of();
        Set<String> left = new LinkedHashSet<>(targeted);
        // a module that is named in full needs no layer, as in PEFT
        left.removeIf(name -> layers.excludes(name) || !(exact.contains(name) || layers.takes(name)));
        if (left.isEmpty()) {
            throw OptionErrors.nothingLeft();
        }
        return left;
    }

    /**
     * Checks that every entry of the patterns is of some module.
     *
     * @param targeted the modules that get an adapter
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if one is of none
     */
    public static void requirePatternsUsed(LoraConfig lora, Set<String> targeted) {
        requireUsed("rank_pattern", lora.rankPattern(), targeted);
        requireUsed("alpha_pattern", lora.alphaPattern(), targeted);
    }

    private static void requireUsed(String option, ModulePattern pattern, Set<String> targeted) {
        for (ModulePattern.Entry entry : pattern.entries()) {
            if (targeted.stream().noneMatch(entry::matches)) {
                throw OptionErrors.choosesNothing(option, entry.expression(), targeted);
            }
        }
    }

    /**
     * The tensors of an adapter of a model of these groups.
     *
     * @param saved modules that are trained whole
     * @param targets what {@link #resolve(LoraConfig, Collection)} gave
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if biases would be trained without an adapter beside them
     */
    public static AdapterLayout layout(
            LoraConfig lora, List<SavedModule> saved, List<GroupSpec> groups, Set<String> targets) {
        if (lora.bias() == Bias.ALL) {
            groups.stream()
                    .filter(GroupSpec::bias)
                    .filter(group -> group.parts().stream().noneMatch(part -> targets.contains(part.name())))
                    .findFirst()
                    .ifPresent(group -> {
                        throw TrainedPartErrors.biasWithoutAdapter(
                                group.parts().stream().map(GroupSpec.Part::name).toList());
                    });
        }
        return new AdapterLayout(saved, groups, targets, lora);
    }

    private static void requireUsed(LayerChoice layers, Set<String> targeted) {
        if (layers.excludeModules() != null) {
            for (String entry : layers.excludeModules().values()) {
                TargetModules own = new TargetModules(layers.excludeModules().kind(), List.of(entry));
                if (targeted.stream().noneMatch(own::matches)) {
                    throw OptionErrors.choosesNothing("exclude_modules", entry, targeted);
                }
            }
        }
        for (int layer : layers.layersToTransform()) {
            if (targeted.stream().map(layers::layer).noneMatch(l -> l.equals(OptionalInt.of(layer)))) {
                throw OptionErrors.choosesNothing("layers_to_transform", layer, targeted);
            }
        }
    }

    /** The targets as PEFT saves them: {@code all-linear} spelt out as names. */
    public static TargetModules spelledOut(TargetModules targets, Collection<String> modules) {
        return targets.kind() == TargetModules.Kind.ALL_LINEAR
                ? TargetModules.names(List.copyOf(lastNames(resolve(targets, modules))))
                : targets;
    }

    private static Set<String> lastNames(Collection<String> modules) {
        Set<String> names = new LinkedHashSet<>();
        modules.forEach(module -> names.add(module.substring(module.lastIndexOf('.') + 1)));
        return names;
    }
}
