// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.regex.PatternSyntaxException;

/**
 * The errors of this module. Codes are never reused: T001–T049 are for checkpoints, configurations, adapter files, memory
 * and generation, T050–T099 for LoRA, the model and the training step.
 */
public final class TrainErrors {

    private TrainErrors() {}

    private static QLoraException input(int code, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.INPUT, message, cause);
    }

    // ---- config.json

    /** A file of the checkpoint is not there. */
    public static QLoraException fileMissing(Path file, String fix) {
        return input(1, file + " does not exist; " + fix, null);
    }

    /** A file can't be read. */
    public static QLoraException unreadable(Path file, Throwable cause) {
        return input(2, file + " can't be read: " + cause.getMessage() + "; check its permissions and the disk", cause);
    }

    /** A file that should be JSON is not. */
    public static QLoraException badJson(String file, String problem, Throwable cause) {
        return input(3, file + " is not valid JSON: " + oneLine(problem) + "; download or copy it again", cause);
    }

    /** A key of config.json that has no usable value. */
    public static QLoraException configValue(String file, String key, String actual, String expected) {
        return input(
                4, file + ": " + key + " is " + actual + ", expected " + expected + "; correct it in the file", null);
    }

    /** A model family that can't be run. */
    public static QLoraException unsupportedFamily(String file, String modelType, Collection<String> supported) {
        return input(
                5,
                file + ": model_type " + modelType + " is not supported; supported are " + String.join(", ", supported),
                null);
    }

    /** A feature of a model that can't be run. */
    public static QLoraException unsupportedFeature(String file, String key, String actual, String supported) {
        return input(
                6,
                file + ": " + key + " = " + actual + " is not supported; " + supported + "; use a checkpoint with that",
                null);
    }

    /** A checkpoint that is stored quantised. */
    public static QLoraException alreadyQuantized(String file, String method) {
        return input(
                7,
                file + ": quantization_config says that the checkpoint is already quantised (" + method
                        + "), which can't be read; use the unquantised checkpoint, it is quantised while loading",
                null);
    }

    /** A named shape that does not exist. */
    public static QLoraException unknownShape(String name, Collection<String> known) {
        return new QLoraException(
                "QLORA-T008",
                Kind.CONFIG,
                "shape " + name + " is unknown; use one of " + String.join(", ", known)
                        + ", or the path of a config.json",
                null);
    }

    // ---- LoRA, arguments, the training step

    private static QLoraException config(int code, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, cause);
    }

    /** An option with a value that it can't have. */
    static QLoraException badArgument(String name, Object value, String expected) {
        return config(50, name + " is " + value + ", expected " + expected + "; correct it in the job file", null);
    }

    /** target_modules is a string, but no regular expression. */
    static QLoraException badTargetPattern(String pattern, PatternSyntaxException cause) {
        return config(
                51,
                "target_modules " + pattern + " is not a regular expression: " + cause.getDescription() + " at index "
                        + cause.getIndex() + "; give a list of module names, all-linear, or a valid expression",
                cause);
    }

    /** A packed row whose parts do not fit together. */
    static QLoraException badRow(long row, int tokens, int labels, int[] lengths) {
        return input(
                52,
                "row " + row + " has " + tokens + " input_ids, " + labels + " labels and sequence_lengths "
                        + Arrays.toString(lengths)
                        + "; the first two must be as many as the lengths' sum, every length above 0: tokenize again",
                null);
    }

    /** A tensor whose bytes are not what its shape says. */
    static QLoraException badTensor(String name, DType dtype, long[] shape, int bytes) {
        return input(
                53,
                "tensor " + name + " of type " + dtype + " and shape " + Arrays.toString(shape) + " has " + bytes
                        + " bytes of data; the file or table that it was read from is damaged: read it again",
                null);
    }

    private static String oneLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
