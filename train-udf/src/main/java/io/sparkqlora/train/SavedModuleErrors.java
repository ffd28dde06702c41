// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.Collection;
import java.util.List;

/** Errors of {@code modules_to_save}, modules that are trained whole beside an adapter. Codes T200–T209; never reused. */
public final class SavedModuleErrors {

    private static final int NAMED = 3;

    private SavedModuleErrors() {}

    /** An entry that means no module. */
    public static QLoraException matchesNothing(String entry, Collection<String> names) {
        return config(
                200,
                "modules_to_save has " + entry
                        + ", and no module's name ends with that; what can be trained whole is named "
                        + String.join(", ", names)
                        + ": take such a name or an end of a full one, or leave the entry out");
    }

    /** An entry that means linear layers, or modules that have others in them. */
    public static QLoraException notTrainedWhole(String entry, List<String> modules) {
        String more = modules.size() > NAMED ? " and " + (modules.size() - NAMED) + " more" : "";
        return config(
                201,
                "modules_to_save has " + entry + ", with which the name of "
                        + String.join(", ", modules.subList(0, Math.min(NAMED, modules.size()))) + more
                        + " ends; trained whole are the token embedding, the output projection and norms, while linear layers of the "
                        + "decoder are frozen (and quantised): give them an adapter with target_modules, and name embed_tokens, "
                        + "lm_head or norms here");
    }

    /** A layer that would be trained both ways. */
    public static QLoraException alsoTarget(String module) {
        return config(
                202,
                module
                        + " is among modules_to_save, which are trained whole, and among target_modules, which get an adapter; take "
                        + "it out of one of them");
    }

    /** Pairs, whose reference is the base. */
    public static QLoraException withPreferences() {
        return config(
                203,
                "modules_to_save is not supported in stage: dpo, whose reference is the base without what is trained; leave "
                        + "modules_to_save out, or train with stage: sft");
    }

    /** Many adapters over one base. */
    public static QLoraException severalAdapters() {
        return config(
                204,
                "modules_to_save has each adapter bring whole weights of its own, while adapters of several groups (group_by) share "
                        + "one base in their micro-batches; train groups without modules_to_save, or one run for each");
    }

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }
}
