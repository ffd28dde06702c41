// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds what ended a barrier stage for good. When Spark has tried one as often as it may, its exception has no cause: the last
 * failure is only in the text, which holds the stack trace of a rank's exception on one line.
 */
final class StageFailures {

    /** A rank's error: the code, and the message up to the trace's first line. */
    private static final Pattern LOST =
            Pattern.compile("QLoraException: (QLORA-T1\\d\\d): (.*?)\\s+at [\\w.$/]+\\(", Pattern.DOTALL);

    private StageFailures() {}

    /** The first of ours among the causes, or a lost rank in their texts; null if there is none. */
    static QLoraException find(Throwable failure) {
        QLoraException known = Failures.find(failure);
        for (Throwable cause = failure; known == null && cause != null; cause = cause.getCause()) {
            known = lostRank(cause.getMessage());
        }
        return known;
    }

    private static QLoraException lostRank(String text) {
        Matcher matcher = LOST.matcher(text == null ? "" : text);
        return matcher.find()
                ? new QLoraException(matcher.group(1), Kind.RANK_LOST, Failures.firstLine(matcher.group(2)), null)
                : null;
    }
}
