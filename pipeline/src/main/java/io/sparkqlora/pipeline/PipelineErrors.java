// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.Optional;

/** The errors of this module. Codes are never reused: P001–P029 are for configuration, P030–P069 for runs and tables. */
public final class PipelineErrors {

    private PipelineErrors() {}

    // ---- P001–P029: configuration

    /** A key that does not exist. */
    public static QLoraException unknownKey(String where, String key, Optional<String> nearest) {
        String fix = nearest.map(name -> "did you mean '" + name + "'?")
                .orElse("docs/CONFIG.md and `qlora train --help` list all keys");
        return config(1, where + ": unknown key '" + key + "'; " + fix, null);
    }

    /** A key that transformers, PEFT or TRL know and that has no counterpart here. */
    public static QLoraException unsupportedKey(String where, String key, String reason) {
        return config(2, where + ": key '" + key + "' is not supported: " + reason + "; remove it", null);
    }

    /** A value of the wrong type or out of range. */
    public static QLoraException badValue(String where, String key, String value, String allowed) {
        return config(3, where + ": " + key + " is " + value + "; allowed: " + allowed, null);
    }

    /** A required key that is not set. */
    public static QLoraException missingKey(String key, String allowed) {
        return config(
                4,
                "key '" + key + "' is missing (" + allowed + "); set it in the job file or with --set " + key + "=…",
                null);
    }

    /** The job file does not exist. */
    public static QLoraException jobFileMissing(String file) {
        return config(5, "job file " + file + " does not exist; check the path", null);
    }

    /** The job file can't be read. */
    public static QLoraException jobFileUnreadable(String file, Exception cause) {
        return config(6, "job file " + file + " can't be read: " + oneLine(cause) + "; check its permissions", cause);
    }

    /** The job file is no YAML. */
    public static QLoraException notYaml(String where, String problem, Exception cause) {
        return config(7, where + ": not valid YAML: " + firstLine(problem) + "; correct that line", cause);
    }

    /** The job file is not a mapping. */
    public static QLoraException notMapping(String file) {
        return config(8, file + ": not a list of keys; write one 'key: value' a line", null);
    }

    /** A {@code --set} without an equals sign. */
    public static QLoraException badOption(String option) {
        return config(9, "--set " + option + ": no value; write --set key=value", null);
    }

    // ---- P030–P069: runs and tables

    /** A commit kept losing against other writers. */
    public static QLoraException tableContended(String root, Exception cause) {
        return error(
                30,
                Kind.CONFLICT,
                "the tables under " + root + " are being changed by too many writers at once; run the command again",
                cause);
    }

    /** The thread was interrupted. */
    public static QLoraException interrupted(InterruptedException cause) {
        return error(31, Kind.CONFLICT, "interrupted; the same command goes on from the last commit", cause);
    }

    private static QLoraException config(int code, String message, Throwable cause) {
        return error(code, Kind.CONFIG, message, cause);
    }

    private static QLoraException error(int code, Kind kind, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-P%03d", code), kind, message, cause);
    }

    private static String oneLine(Throwable cause) {
        return firstLine(cause.getMessage() == null ? cause.toString() : cause.getMessage());
    }

    private static String firstLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
