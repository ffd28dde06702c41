// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** Errors of adapters that begin with a decomposition of the base's weights (PiSSA, LoftQ). Codes T210–T219; never reused. */
public final class InitErrors {

    private InitErrors() {}

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }

    /** A base that was rounded before. */
    public static QLoraException storedQuantized(InitLoraWeights init) {
        return config(
                210,
                "init_lora_weights: " + init
                        + " decomposes the base's weights before they are quantised, and this checkpoint is "
                        + "stored quantised (quantization_config) and has lost them; name the checkpoint that it was made of, or set "
                        + "init_lora_weights: true");
    }

    /** An option that a base without what the adapter begins with has no room for. */
    private static QLoraException beside(InitLoraWeights init, String option, String why) {
        return config(
                211,
                "init_lora_weights: " + init + " stands beside " + option + "; " + why
                        + ": set one of them back (init_lora_weights: true)");
    }

    /** Magnitudes, which have no part in an adapter for the original base. */
    static QLoraException withDora(InitLoraWeights init) {
        return beside(
                init,
                "use_dora: true",
                "an adapter for the original base, which export writes, is a sum of products, and magnitudes over another base are none");
    }

    /** A reference that is no model of its own. */
    public static QLoraException withoutReference(InitLoraWeights init) {
        return beside(
                init,
                "stage: dpo",
                "its reference is the base without the adapter, and this base lacks what the adapter begins with");
    }

    /** A decomposition of what is not there. */
    public static QLoraException rankTooHigh(InitLoraWeights init, String module, int rank, long rows, long cols) {
        return config(
                212,
                "init_lora_weights: " + init + " takes " + rank + " singular vectors of " + module
                        + " (r), whose weight is " + rows + "×" + cols + " and has " + Math.min(rows, cols)
                        + "; lower r, or give it a rank of its own in rank_pattern");
    }

    /** Nothing that quantisation loses. */
    public static QLoraException loftqWithoutLoss(String module, boolean in4bit) {
        return config(
                213,
                "init_lora_weights: loftq makes up for what 4 bits lose, and "
                        + (in4bit
                                ? module
                                        + " is not quantised (llm_int8_skip_modules, or the output projection); leave it out of "
                                        + "target_modules (exclude_modules)"
                                : "the base is not in 4 bits; set load_in_4bit: true, or init_lora_weights: pissa"));
    }

    /** A weight that has no singular values. */
    public static QLoraException notFinite(String module) {
        return new QLoraException(
                "QLORA-T215",
                Kind.INPUT,
                "the weight of " + module
                        + " has numbers that are not finite, or too large for products in F32, and can't be taken "
                        + "apart (init_lora_weights); repair the checkpoint, or leave that module out of target_modules",
                null);
    }

    /** Singular values that lie too close. */
    public static QLoraException notConverged(String module, int iterations, double error, double tolerance) {
        return config(
                216,
                String.format(
                        "the leading singular vectors of %s are not found in %d iterations: they are wrong by %.1e, and %.1e is allowed; "
                                + "set init_lora_weights: pissa_niter_16, which stops after 16, or true",
                        module, iterations, error, tolerance));
    }

    /** Files that would be read beside the wrong base. */
    static QLoraException filesOfAnotherBase(InitLoraWeights init) {
        return config(
                217,
                "this adapter was trained with init_lora_weights: " + init
                        + ", over a base that is not the checkpoint; its files would be read beside that: make it one of the checkpoint "
                        + "first (OriginalBase.adapter), as export does");
    }

    /** An adapter of another base among those that are to be combined. */
    static QLoraException notCombined(int number, InitLoraWeights init) {
        return config(
                218,
                "adapter " + number + " of those to combine was trained with init_lora_weights: " + init
                        + ", over a base that is not the checkpoint; export it, and combine the folder");
    }

    /** A conversation without what the base lacks. */
    static QLoraException noDialogue() {
        return config(
                219,
                "the adapter was trained with init_lora_weights: pissa or loftq, over a base that lacks what it began with; a "
                        + "conversation with that base alone is none with the "
                        + "checkpoint: open the checkpoint without an adapter");
    }

    /** A weight that is the token embedding too. */
    public static QLoraException tied(InitLoraWeights init, String module) {
        return config(
                214,
                "init_lora_weights: " + init + " takes a part out of " + module
                        + ", whose weight is the token embedding too (tie_word_embeddings), which would lose it; leave "
                        + module
                        + " out of target_modules (exclude_modules)");
    }
}
