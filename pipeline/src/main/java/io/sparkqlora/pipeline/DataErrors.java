// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** Errors about which rows a job works on and what is measured meanwhile. Codes P130–P149; never reused. */
public final class DataErrors {

    private DataErrors() {}

    /** Datasets are mixed by proportions that aren't given. */
    public static QLoraException noProbabilities(String strategy, int datasets) {
        return error(
                130,
                "mix_strategy " + strategy + " needs interleave_probs, and there are none; give " + datasets
                        + " numbers, one for each dataset, or set mix_strategy to concat");
    }

    /** Proportions that nothing asks for. */
    public static QLoraException unusedProbabilities(String probabilities) {
        return error(
                131,
                "interleave_probs " + probabilities
                        + " change nothing where datasets are only put together; set mix_strategy "
                        + "to interleave_under or interleave_over, or remove them");
    }

    /** Not one proportion for each dataset. */
    public static QLoraException otherProbabilities(String probabilities, int datasets) {
        return error(
                132,
                "interleave_probs are " + probabilities + " and dataset names " + datasets
                        + " sources; give one number for " + "each, in their order");
    }

    /** Keys that say what follows from evaluations that nobody asked for. */
    public static QLoraException needsEvaluations(String key, Object value) {
        return error(
                133,
                key + " is " + value
                        + " and nothing is evaluated during the run; set eval_strategy to steps, or remove it");
    }

    /** Evaluations without rows. */
    public static QLoraException nothingToMeasureOn() {
        return error(
                134,
                "eval_strategy is steps and no row is held out; set eval_dataset, or validation_split_percentage to a part of "
                        + "dataset");
    }

    /** What trackers are to show can't be written. */
    public static QLoraException reportNotWritten(String where, Exception cause) {
        String problem = cause.getMessage() == null ? cause.toString() : cause.getMessage();
        return new QLoraException(
                "QLORA-P136",
                Kind.CONFIG,
                where + " can't be written: " + problem.lines().findFirst().orElse("no reason given")
                        + "; name another folder or set report_to to none, and run the command again: the run goes on from its "
                        + "last commit",
                cause);
    }

    /** Rows that hold no question. */
    public static QLoraException nothingToAnswer(String dataset) {
        return error(
                137,
                "no row of " + dataset + " has tokens before those that count, so there is nothing to answer; evaluate "
                        + "conversations or prompts with completions, or leave out --predict-with-generate");
    }

    /** A conversation that has no room for another answer. */
    public static QLoraException conversationTooLong(int tokens, int maxNewTokens, int maxLength) {
        return error(
                138,
                "the conversation has " + tokens + " tokens, with max_new_tokens " + maxNewTokens + " more than "
                        + maxLength + "; begin another with /reset, or raise --max-length or lower --max-new-tokens");
    }

    private static QLoraException error(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
