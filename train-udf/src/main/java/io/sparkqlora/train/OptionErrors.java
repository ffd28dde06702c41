// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.Collection;

/** Errors of options that don't go together, of training and of adapters. Codes are never reused: T130–T149, T160–T162. */
public final class OptionErrors {

    private static final int MOST_NAMES = 8;

    private OptionErrors() {}

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }

    /** A pattern of layers, but no layers. */
    static QLoraException patternWithoutLayers(Collection<String> patterns) {
        return config(
                131,
                "layers_pattern is " + patterns
                        + " without layers_to_transform, which says which of these layers; set that, "
                        + "or remove layers_pattern");
    }

    /** Layers are chosen by number beside one expression for whole names. */
    static QLoraException layersBesideExpression(String expression) {
        return config(
                132,
                "layers_to_transform stands beside target_modules " + expression
                        + ", a regular expression for whole names, as in PEFT; say the layers in the expression, or name the "
                        + "modules in a list");
    }

    /** An entry of an option about modules that no targeted module has. */
    public static QLoraException choosesNothing(String option, Object entry, Collection<String> targeted) {
        return config(
                133,
                option + ": " + entry + " is of no module that target_modules means; those are "
                        + String.join(", ", targeted.stream().limit(MOST_NAMES).toList())
                        + (targeted.size() > MOST_NAMES ? " and " + (targeted.size() - MOST_NAMES) + " more" : "")
                        + "; correct or remove it");
    }

    /** Nothing is left to train. */
    public static QLoraException nothingLeft() {
        return config(
                134,
                "exclude_modules and layers_to_transform leave no module of those that target_modules means; the adapter "
                        + "would be empty: choose others");
    }

    /** An adapter of the output projection can't be merged into a weight that is the token embedding too. */
    static QLoraException mergeIntoTied(String module) {
        return config(
                135,
                "the adapter has " + module
                        + ", whose weight is the token embedding too (tie_word_embeddings); merged into it, "
                        + "it would change the embedding: keep the adapter apart, or train without it on that layer");
    }

    /** A merged checkpoint would lie among files of another one. */
    static QLoraException foreignWeights(Path folder, String file) {
        return config(
                136,
                folder + " holds " + file
                        + ", which is not part of the checkpoint that is written there; give a folder of its " + "own");
    }

    /** Two widths at once. */
    static QLoraException fourAndEightBits() {
        return config(
                160,
                "load_in_4bit and load_in_8bit are both true, and a base is held in one of them; set one to false");
    }

    /** Layers that share their input are one product in 8 bits. */
    public static QLoraException partlyIn8bit(Collection<String> together) {
        return config(
                161,
                "with load_in_8bit, llm_int8_skip_modules names some of " + String.join(", ", together)
                        + " and not all; they read the same input, which is rounded once for all of them: name all of them or none");
    }

    /** A quantised checkpoint of what isn't. */
    static QLoraException writtenQuantized() {
        return config(
                162,
                "a quantised checkpoint is to be written, and load_in_4bit and load_in_8bit are both false; set one, or "
                        + "write a dense one");
    }

    /** An option of a schedule that has no such option. */
    static QLoraException notOfScheduler(String option, String scheduler, Collection<String> known) {
        return config(
                130,
                "lr_scheduler_kwargs has " + option + ", which lr_scheduler_type " + scheduler + " doesn't know; "
                        + (known.isEmpty() ? "it has no options" : "its options are " + String.join(", ", known)));
    }
}
