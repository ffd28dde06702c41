// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;

/** Finds the failure that people should read within those that Spark wraps around it. */
public final class Failures {

    private static final int DEPTH = 32;

    private Failures() {}

    /** The first of ours among the causes, or null. */
    public static QLoraException find(Throwable failure) {
        Throwable cause = failure;
        for (int depth = 0; cause != null && depth < DEPTH; depth++) {
            if (cause instanceof QLoraException known) {
                return known;
            }
            cause = cause.getCause();
        }
        return null;
    }

    /** An exception of another process, whose message begins with its code. */
    public static QLoraException again(String code, QLoraException.Kind kind, String message) {
        String prefix = code + ": ";
        return new QLoraException(
                code, kind, message.startsWith(prefix) ? message.substring(prefix.length()) : message, null);
    }

    /** One line that says what happened. */
    public static String oneLine(Throwable failure) {
        QLoraException known = find(failure);
        Throwable told = known == null ? failure : known;
        String text = told.getMessage() == null ? told.toString() : told.getMessage();
        String line = firstLine(text);
        return known == null ? told.getClass().getSimpleName() + ": " + line : line;
    }

    /** The first line of a text. */
    public static String firstLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
