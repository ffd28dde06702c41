// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.regex.PatternSyntaxException;

/** Errors of quantised bases: how they are stored, and what of them is not. Codes are never reused: T150–T159, T220–T229. */
public final class FormatErrors {

    private static final int MOST_NAMES = 8;

    private FormatErrors() {}

    private static QLoraException error(int code, Kind kind, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), kind, message, cause);
    }

    /** An entry of llm_int8_skip_modules that can't be matched. */
    static QLoraException badSkipPattern(String pattern, PatternSyntaxException cause) {
        return error(
                150,
                Kind.CONFIG,
                "llm_int8_skip_modules has " + pattern + ", which is no regular expression: " + cause.getDescription()
                        + " at index " + cause.getIndex() + "; give names of modules, ends of names, or expressions",
                cause);
    }

    /** A weight in 4 bits that can't be read. */
    public static QLoraException badPackedWeight(String where, String weight, String problem) {
        return error(
                151,
                Kind.INPUT,
                where + ": tensor " + CheckpointErrors.printable(weight) + ", which is stored in 4 bits: " + problem
                        + "; use the files of one save_pretrained of a model that bitsandbytes quantised",
                null);
    }

    /** A weight in 8 bits that can't be read. */
    public static QLoraException badInt8Weight(String where, String weight, String problem) {
        return error(
                220,
                Kind.INPUT,
                where + ": tensor " + CheckpointErrors.printable(weight) + ", which is stored in 8 bits: " + problem
                        + "; use the files of one save_pretrained of a model that bitsandbytes quantised",
                null);
    }

    /** A weight in 8 bits whose codes stand in the order of some GPU's kernels. */
    public static QLoraException notByRow(String where, String weight, String format) {
        return error(
                221,
                Kind.INPUT,
                where + ": tensor " + CheckpointErrors.printable(weight)
                        + ", which is stored in 8 bits: its weight_format is "
                        + format + ", and only row is supported; save the model again with bitsandbytes 0.45 or later, "
                        + "which orders codes by row",
                null);
    }

    /** A weight whose storage is not what quantization_config says. */
    public static QLoraException otherStorage(String where, String weight, boolean quantized, boolean in8bit) {
        String module = weight.substring(0, Math.max(0, weight.lastIndexOf('.')));
        String bits = in8bit ? "8 bits" : "4 bits";
        return error(
                152,
                Kind.INPUT,
                where + ": tensor " + CheckpointErrors.printable(weight)
                        + (quantized
                                ? " is stored in " + bits + ", but llm_int8_skip_modules of config.json has " + module
                                : " has no " + (in8bit ? "SCB" : "quant_state")
                                        + " beside it, but quantization_config of config.json says that it is stored in "
                                        + bits + " (llm_int8_skip_modules doesn't have " + module + ")")
                        + "; use the config.json that belongs to these weights",
                null);
    }

    /** An output projection that is quantised. */
    public static QLoraException storedOutput(String where, String weight, boolean in8bit) {
        return error(
                153,
                Kind.INPUT,
                where + ": tensor " + weight + " is stored in " + (in8bit ? 8 : 4)
                        + " bits, and the output projection can't be; "
                        + "use a checkpoint that keeps lm_head in 16 bits, as transformers does by default",
                null);
    }

    /** A list of skipped modules without the output projection. */
    public static QLoraException outputNotSkipped(Collection<String> patterns) {
        return error(
                154,
                Kind.CONFIG,
                "llm_int8_skip_modules is " + patterns + ", without lm_head, which transformers would quantise then; "
                        + "the output projection is always kept here: add lm_head to the list",
                null);
    }

    /** Nothing is left to quantise. */
    public static QLoraException everythingSkipped(Collection<String> patterns) {
        return error(
                155,
                Kind.CONFIG,
                "llm_int8_skip_modules " + patterns
                        + " has every linear layer, so that nothing would be quantised; shorten it, or set load_in_4bit and "
                        + "load_in_8bit to false",
                null);
    }

    /** A session that would hold a weight otherwise than it is stored. */
    public static QLoraException heldOtherwise(String weight, String held, String stored) {
        return error(
                156,
                Kind.CONFIG,
                "weight " + weight + " is to be held " + held + ", but the checkpoint has it " + stored
                        + "; what is stored quantised is held as it is stored: take the checkpoint's format, or an "
                        + "unquantised checkpoint",
                null);
    }

    /** A packed weight that is no whole number of the storage's elements. */
    public static QLoraException oddStorage(String weight, long bytes, QuantStorage storage) {
        return error(
                157,
                Kind.CONFIG,
                "weight " + weight + " has " + bytes + " bytes in 4 bits, which is no whole number of "
                        + storage.torchName() + "; set bnb_4bit_quant_storage: uint8",
                null);
    }

    /** A checkpoint that is to be quantised again. */
    static QLoraException quantizedAlready(Path folder) {
        return error(
                159,
                Kind.CONFIG,
                folder
                        + " is quantised already; give the unquantised checkpoint as model_name_or_path, or export --merge "
                        + "--quantize an adapter of this one",
                null);
    }

    /** An entry of llm_int8_skip_modules that no layer has. */
    public static QLoraException skipsNothing(String pattern, List<String> modules) {
        return error(
                158,
                Kind.CONFIG,
                "llm_int8_skip_modules: " + pattern + " is of no linear layer of the model; it has "
                        + String.join(", ", modules.stream().limit(MOST_NAMES).toList())
                        + (modules.size() > MOST_NAMES ? " and " + (modules.size() - MOST_NAMES) + " more" : "")
                        + "; correct or remove it",
                null);
    }
}
