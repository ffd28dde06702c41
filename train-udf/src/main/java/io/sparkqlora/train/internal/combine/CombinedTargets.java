// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TargetModules;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Which modules a combined adapter is of. */
public final class CombinedTargets {

    private CombinedTargets() {}

    /**
     * As PEFT: the union of lists of names, or one expression that is any of several. Where that would be other modules than
     * those of the tensors, since adapters leave some out each in its own way, they are named in full.
     */
    public static void set(List<Adapter> adapters, List<NamedTensor> tensors, LoraConfig.Builder config) {
        List<LoraConfig> all = adapters.stream().map(Adapter::config).toList();
        Set<TargetModules.Kind> kinds =
                all.stream().map(lora -> lora.targetModules().kind()).collect(Collectors.toSet());
        LayerChoice layers = all.get(0).layers();
        if (!all.stream().allMatch(lora -> lora.layers().equals(layers)) || kinds.size() > 1) {
            config.targetModules(TargetModules.names(AdapterModule.names(tensors)));
            return;
        }
        config.layers(layers);
        config.targetModules(
                switch (kinds.iterator().next()) {
                    case NAMES -> TargetModules.names(List.copyOf(values(all)));
                    case REGEX -> TargetModules.of(values(all).stream()
                            .map(expression -> "(" + expression + ")")
                            .collect(Collectors.joining("|")));
                    case ALL_LINEAR -> TargetModules.allLinear();
                });
    }

    private static Set<String> values(List<LoraConfig> all) {
        Set<String> values = new LinkedHashSet<>();
        all.forEach(lora -> values.addAll(lora.targetModules().values()));
        return values;
    }
}
