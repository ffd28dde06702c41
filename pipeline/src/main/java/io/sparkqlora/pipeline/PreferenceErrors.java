// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** Errors of jobs about preferences. Codes are never reused: P170–P179. */
public final class PreferenceErrors {

    private PreferenceErrors() {}

    /** A key that means nothing without preferences. */
    public static QLoraException needsPreferences(String key, Object value) {
        return error(170, key + " is " + value + ", which is about preferences; set stage to dpo, or remove " + key);
    }

    /** A key that says what counts, where that is known. */
    public static QLoraException answersCount(String key, Object value) {
        return error(
                171,
                key + " is " + value + ", but of preferences (stage: dpo) always the answers count; remove the key");
    }

    /** Answers to questions that have two. */
    public static QLoraException noAnswers(String option) {
        return error(
                172,
                option
                        + " compares answers with the expected one, and rows of preferences (stage: dpo) have two; leave it out, "
                        + "or evaluate rows of one answer with --set stage=sft");
    }

    /** Lengths of two sequences that aren't theirs. */
    public static QLoraException noPair(String lengths, int tokens) {
        return error(
                173,
                "a row has " + tokens + " tokens and the sequence lengths " + lengths
                        + ", which are not those of two sequences; take the columns that ChatTokenizer adds with stage dpo");
    }

    /** An adapter to go on from, which would be the reference. */
    public static QLoraException otherReference(String adapter) {
        return error(
                174,
                "adapter_name_or_path is " + adapter
                        + " beside stage: dpo, whose reference would be that adapter and is the base without any; merge it into the "
                        + "base first (export --merge), and name that base in model_name_or_path");
    }

    private static QLoraException error(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
