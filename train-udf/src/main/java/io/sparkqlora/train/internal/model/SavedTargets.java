// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.SavedModuleErrors;
import io.sparkqlora.train.internal.linear.SavedModule;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Finds the modules that {@code modules_to_save} means, as PEFT does: each whose full name ends with an entry, whether a dot stands
 * before it or not, so that {@code norm} means every norm there is.
 */
final class SavedTargets {

    /** What PEFT has before a module's name. */
    private static final String PREFIX = "base_model.model.";

    private SavedTargets() {}

    /**
     * The modules, in the order of a forward pass.
     *
     * @param targets linear layers that get an adapter
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry means no module, or one that can't be trained whole
     */
    static List<SavedModule> resolve(LoraConfig lora, ModelLayout layout, Set<String> targets) {
        List<SavedModule> trainable = layout.savedModules();
        Set<String> others = others(layout, trainable);
        for (String entry : lora.modulesToSave()) {
            List<String> refused =
                    others.stream().filter(name -> matches(entry, name)).toList();
            if (!refused.isEmpty()) {
                throw SavedModuleErrors.notTrainedWhole(entry, refused);
            }
            if (trainable.stream().noneMatch(module -> matches(entry, module.name()))) {
                throw SavedModuleErrors.matchesNothing(entry, lastNames(trainable));
            }
        }
        List<SavedModule> saved = trainable.stream()
                .filter(module -> lora.modulesToSave().stream().anyMatch(entry -> matches(entry, module.name())))
                .toList();
        saved.stream()
                .map(SavedModule::name)
                .filter(targets::contains)
                .findFirst()
                .ifPresent(name -> {
                    throw SavedModuleErrors.alsoTarget(name);
                });
        return saved;
    }

    private static boolean matches(String entry, String name) {
        return (PREFIX + name).endsWith(entry);
    }

    /** Linear layers, and all that has modules in it. */
    private static Set<String> others(ModelLayout layout, List<SavedModule> trainable) {
        Set<String> others = new LinkedHashSet<>();
        Stream.concat(layout.moduleNames().stream(), trainable.stream().map(SavedModule::name))
                .forEach(name -> {
                    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
                        others.add(name.substring(0, dot));
                    }
                    others.add(name);
                });
        trainable.forEach(module -> others.remove(module.name()));
        return others;
    }

    private static Set<String> lastNames(List<SavedModule> modules) {
        Set<String> names = new LinkedHashSet<>();
        modules.forEach(
                module -> names.add(module.name().substring(module.name().lastIndexOf('.') + 1)));
        return names;
    }
}
