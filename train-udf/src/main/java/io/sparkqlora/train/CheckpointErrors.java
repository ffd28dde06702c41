// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.Collection;

/** The errors of a checkpoint: its configuration, its files and their tensors. Codes T001–T021, T040 and T041. */
public final class CheckpointErrors {

    private CheckpointErrors() {}

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
                        + "), which can't be read; use one that bitsandbytes quantised to 4 or 8 bits, or the unquantised checkpoint, which is "
                        + "quantised while loading",
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

    // ---- safetensors

    private static final String COPY_AGAIN = "download or copy it again";

    /** A header length that can't be. */
    public static QLoraException headerLength(Path file, String claimed, long fileBytes) {
        return input(
                10,
                file + ": the header claims " + claimed + " bytes, the file has " + fileBytes
                        + ": it is truncated or no safetensors file; " + COPY_AGAIN,
                null);
    }

    /** A header that can't be read. */
    public static QLoraException headerInvalid(Path file, String problem, Throwable cause) {
        return input(11, file + ": the safetensors header is invalid: " + oneLine(problem) + "; " + COPY_AGAIN, cause);
    }

    /** A tensor entry of a header that can't be. */
    public static QLoraException tensorEntry(Path file, String tensor, String problem) {
        return input(12, file + ": tensor " + printable(tensor) + ": " + problem + "; " + COPY_AGAIN, null);
    }

    /** Fewer bytes than the header describes. */
    public static QLoraException truncated(Path file, long described, long present) {
        return input(
                13,
                file + ": the header describes " + described + " bytes of tensors, the file holds " + present
                        + ": it is truncated; " + COPY_AGAIN,
                null);
    }

    /** Tensors that do not fill the file exactly. */
    public static QLoraException layout(Path file, String problem) {
        return input(14, file + ": " + problem + "; " + COPY_AGAIN, null);
    }

    // ---- checkpoints

    /** A folder without weights. */
    public static QLoraException noWeights(Path folder, String seen) {
        return input(
                15,
                folder + " has neither model.safetensors nor model.safetensors.index.json" + seen
                        + "; save the model with save_pretrained(..., safe_serialization=True)",
                null);
    }

    /** An index that can't be used. */
    public static QLoraException badIndex(Path index, String problem) {
        return input(16, index + ": " + problem + "; " + COPY_AGAIN, null);
    }

    /** A shard that the index names is not there. */
    public static QLoraException shardMissing(Path shard, Path index) {
        return input(
                17, shard + " does not exist, but " + index.getFileName() + " names it; download that shard", null);
    }

    /** A tensor that the model needs is not there. */
    public static QLoraException tensorMissing(String where, String tensor, String fix) {
        return input(18, where + ": tensor " + printable(tensor) + " is missing; " + fix, null);
    }

    /** A tensor has another shape than the configuration says. */
    public static QLoraException wrongShape(String where, String tensor, String actual, String expected, String fix) {
        return input(
                19,
                where + ": tensor " + printable(tensor) + " has shape " + actual + ", expected " + expected + "; "
                        + fix,
                null);
    }

    /** A weight of a type that can't be used. */
    public static QLoraException wrongDtype(String where, String tensor, String actual, String supported) {
        return input(
                20,
                where + ": tensor " + printable(tensor) + " has dtype " + actual + ", supported are " + supported
                        + "; save it in one of these",
                null);
    }

    /** A file can't be written. */
    public static QLoraException unwritable(Path file, Throwable cause) {
        return new QLoraException(
                "QLORA-T021",
                Kind.CONFIG,
                file + " can't be written: " + cause + "; check the path, its permissions and the free space",
                cause);
    }

    /** A file that became shorter after it was opened. */
    public static QLoraException endedEarly(Path file, long end, long wanted) {
        String cut =
                " ends at byte " + end + ", weights reach to byte " + wanted + ": it was cut after it was opened; ";
        return input(40, file + cut + COPY_AGAIN, null);
    }

    /** A read that failed. */
    public static QLoraException readFailed(Path file, long at, Throwable e) {
        String problem = " can't be read from byte " + at + " on: " + oneLine(e.getMessage()) + "; check the disk, or ";
        return input(41, file + problem + COPY_AGAIN, e);
    }

    /** A name from a file, made fit for one line. */
    static String printable(String name) {
        String clean = name.replaceAll("[^\\p{Graph}]", "?");
        return clean.length() <= 120 ? clean : clean.substring(0, 117) + "...";
    }

    private static String oneLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
