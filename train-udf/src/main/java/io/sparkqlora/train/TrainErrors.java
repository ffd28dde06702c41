// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Map;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;

/**
 * The errors of this module. Codes are never reused: T001–T021, T040 and T041 are for
 * checkpoints ({@link CheckpointErrors}), T022–T039 for adapter files, memory and generation, T050–T099 for LoRA, the
 * model and the training step.
 */
public final class TrainErrors {

    private TrainErrors() {}

    private static QLoraException input(int code, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.INPUT, message, cause);
    }

    // ---- adapter files

    /** An adapter_config.json with something that can't be run. */
    public static QLoraException unsupportedAdapter(String file, String key, String actual, String supported) {
        return input(
                22,
                file + ": " + key + " = " + actual + " is not supported; " + supported
                        + "; use an adapter that was trained with that",
                null);
    }

    /** An adapter_model.safetensors that doesn't fit its adapter_config.json. */
    public static QLoraException adapterTensor(Path file, String tensor, String problem) {
        return input(
                23,
                file + ": tensor " + CheckpointErrors.printable(tensor) + ": " + problem
                        + "; use the adapter_config.json and adapter_model.safetensors of one adapter",
                null);
    }

    /** A prompt that can't be continued. */
    public static QLoraException badPrompt(int prompt, String problem, String fix) {
        return input(24, "prompt " + prompt + ": " + problem + "; " + fix, null);
    }

    /** A prompt whose continuation would be longer than the model allows. */
    public static QLoraException promptTooLong(int prompt, int tokens, int maxNewTokens, int maxPositions) {
        return new QLoraException(
                "QLORA-T025",
                Kind.CONFIG,
                "prompt " + prompt + " has " + tokens + " tokens, with max_new_tokens " + maxNewTokens
                        + " more than the model's max_position_embeddings " + maxPositions
                        + "; lower max_new_tokens or shorten the prompt",
                null);
    }

    /** Logits that are no numbers. */
    public static QLoraException logitsNotFinite(int prompt, int step, float logit) {
        return input(
                26,
                "prompt " + prompt + ", new token " + (step + 1) + ": a logit is " + logit
                        + "; the base's weights or the adapter are damaged, check them",
                null);
    }

    /** The adapter is asked for where there is none. */
    static QLoraException noAdapter() {
        return new QLoraException(
                "QLORA-T027",
                Kind.CONFIG,
                "generation with an adapter was asked for, but none was loaded; name one, or generate without",
                null);
    }

    /** The memory plan exceeds the device. */
    static QLoraException memoryTooSmall(String device, long need, long have, Map<String, Long> parts, String fix) {
        String biggest = parts.entrySet().stream()
                .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
                .limit(3)
                .map(part -> part.getKey() + " " + part.getValue())
                .collect(Collectors.joining(", "));
        return new QLoraException(
                "QLORA-T028",
                Kind.RESOURCES,
                "not enough memory on " + device + ": training needs " + need + " bytes, " + have
                        + " are free; the biggest parts are " + biggest + "; " + fix,
                null);
    }

    // ---- LoRA, arguments, the training step

    private static QLoraException config(int code, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, cause);
    }

    /** An option with a value that it can't have. */
    public static QLoraException badArgument(String name, Object value, String expected) {
        return config(50, name + " is " + value + ", expected " + expected + "; correct it in the job file", null);
    }

    /** target_modules is a string, but no regular expression. */
    public static QLoraException badTargetPattern(String pattern, PatternSyntaxException cause) {
        return config(
                51,
                "target_modules " + pattern + " is not a regular expression: " + cause.getDescription() + " at index "
                        + cause.getIndex() + "; give a list of module names, all-linear, or a valid expression",
                cause);
    }

    /** A packed row whose parts do not fit together. */
    public static QLoraException badRow(long row, int tokens, int labels, int[] lengths) {
        return input(
                52,
                "row " + row + " has " + tokens + " input_ids, " + labels + " labels and sequence_lengths "
                        + Arrays.toString(lengths)
                        + "; the first two must be as many as the lengths' sum, every length above 0: tokenize again",
                null);
    }

    /** A tensor whose bytes are not what its shape says. */
    public static QLoraException badTensor(String name, DType dtype, long[] shape, int bytes) {
        return input(
                53,
                "tensor " + name + " of type " + dtype + " and shape " + Arrays.toString(shape) + " has " + bytes
                        + " bytes of data; the file or table that it was read from is damaged: read it again",
                null);
    }

    /** An entry of target_modules that is no layer of the model. */
    public static QLoraException targetMatchesNothing(String target, Collection<String> existing) {
        return config(
                54,
                "target_modules: " + target + " matches no linear layer of the model; it has "
                        + String.join(", ", existing) + "; name some of these, or all-linear",
                null);
    }

    /** Tensors of an adapter or a state that are not those of the session. */
    public static QLoraException adapterMismatch(String what, String name, String problem) {
        return input(
                55,
                what + " does not fit this run: " + name + " is " + problem
                        + "; use the r, lora_alpha, target_modules and base model that it was made with",
                null);
    }

    /** A weight of another shape than config.json says. */
    public static QLoraException weightShape(String name, TensorInfo info, long rows, long cols) {
        return input(
                56,
                "weight " + name + " has shape " + info.shapeText() + ", config.json asks for "
                        + (rows == 1 ? "[" + cols + "]" : "[" + rows + ", " + cols + "]")
                        + "; the two files belong to different models: download the checkpoint again",
                null);
    }

    /** A weight of a type that the base can't be made of. */
    public static QLoraException weightType(String name, DType dtype) {
        return input(
                57,
                "weight " + name + " has type " + dtype
                        + ", supported are F32, F16, BF16; use an unquantised checkpoint",
                null);
    }

    /** A rotary embedding that is not computed. */
    public static QLoraException unsupportedRope(String type) {
        return input(
                58,
                "rope_type " + type
                        + " is not supported, supported are default, linear, llama3, yarn, longrope; use another checkpoint",
                null);
    }

    /** A token that the model does not know. */
    public static QLoraException tokenOutOfVocabulary(long row, String column, int token, int vocabSize) {
        return input(
                59,
                "row " + row + " has " + token + " in " + column + ", the model's vocab_size is " + vocabSize
                        + "; tokenizer and model do not belong together: tokenize with the model's own",
                null);
    }

    /** The loss or the gradient is no number any more. */
    public static QLoraException diverged(long step, double loss, double gradNorm, double learningRate) {
        return new QLoraException(
                "QLORA-T060",
                Kind.DIVERGED,
                "step " + step + " gave loss " + loss + " and gradient norm " + gradNorm + " at learning rate "
                        + learningRate + "; the adapter is kept as it was before: lower learning_rate, lengthen the"
                        + " warm-up, or look for bad rows",
                null);
    }

    /** A step that has nothing to learn from. */
    public static QLoraException nothingCounts(long step, long tokens) {
        return input(
                61,
                "step " + step + " has " + tokens + " tokens of which none counts for the loss; drop such rows or check"
                        + " the loss mask",
                null);
    }

    /** A micro-batch, or a row, beyond what buffers were made for. */
    public static QLoraException tooManyTokens(String what, long tokens, long limit) {
        return config(
                62,
                what + " has " + tokens + " tokens, buffers were made for " + limit
                        + "; tokenize with a smaller max_seq_length, or open the session with a higher limit",
                null);
    }

    /** A step without knowing how many there will be. */
    public static QLoraException stepsUnknown() {
        return config(
                63,
                "max_steps is -1, but the schedule must know the number of steps; set max_steps, or derive it from"
                        + " num_train_epochs and the number of rows",
                null);
    }
}
