// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TrainErrors;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
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
