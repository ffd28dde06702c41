// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.charset.CharacterCodingException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The errors of this module. Codes are never reused: P001–P029, P124 and P155 are for configuration, P030–P069
 * and P123 for runs and tables.
 */
public final class PipelineErrors {

    /** Code of {@link #rowsGone}, which the driver knows it by. */
    public static final String ROWS_GONE = "QLORA-P123";

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

    /** A base can't be held in two ways. */
    static QLoraException fourAndEightBits() {
        return config(
                155,
                "load_in_4bit and load_in_8bit are both set to true, and a base is held in one of them; remove one, or set it to false",
                null);
    }

    /** The job file does not exist. */
    public static QLoraException jobFileMissing(String file) {
        return config(5, "job file " + file + " does not exist; check the path", null);
    }

    /** The job file can't be read. */
    public static QLoraException jobFileUnreadable(String file, Exception cause) {
        return config(
                6,
                "job file " + file + " can't be read: " + oneLine(cause) + "; save it as UTF-8 text that you may read",
                cause);
    }

    /** The job file is no YAML. */
    public static QLoraException notYaml(String where, String problem, Exception cause) {
        return config(7, where + ": not valid YAML: " + problem(problem) + "; correct that line", cause);
    }

    /** The job file is not a mapping. */
    public static QLoraException notMapping(String file) {
        return config(8, file + ": not a list of keys; write one 'key: value' a line", null);
    }

    /** A {@code --set} without an equals sign. */
    public static QLoraException badOption(String option) {
        return config(9, "--set " + option + ": no value; write --set key=value", null);
    }

    /** A whole number that is another one, or another text, than it seems. */
    public static QLoraException oddNumber(String where, String written, String read) {
        return config(
                124,
                where + ": " + written + " is the number " + read + " to YAML; write a number in plain decimal digits,"
                        + " and a text in quotes",
                null);
    }

    // ---- P030–P069: runs and tables

    /** Rows of a chunk that were lost with their executor; the driver trains it again, and nobody is told. */
    public static QLoraException rowsGone() {
        return new QLoraException(
                ROWS_GONE,
                Kind.RANK_LOST,
                "what a chunk gave was lost with its executor; run the same command, which goes on from the last commit",
                null);
    }

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

    /** A signal ends the process. */
    public static QLoraException runInterrupted(String runId, long step) {
        return error(
                31,
                Kind.CONFLICT,
                "interrupted; run " + runId + " is committed up to step " + step
                        + ", the same command goes on from there",
                null);
    }

    /** A signal ends the process. */
    public static QLoraException interrupted() {
        return error(31, Kind.CONFLICT, "interrupted; run the same command again", null);
    }

    /** An executor has another base under the same path than the driver. */
    public static QLoraException otherBase(String folder, String expected, String found) {
        return error(
                32,
                Kind.INPUT,
                folder + " is not the base that the run started with (fingerprint " + found + ", expected " + expected
                        + "); put the same checkpoint on every node",
                null);
    }

    /** Rows of the data set are gone. */
    public static QLoraException rowsMissing(String datasetId, long place) {
        return error(
                33,
                Kind.CONFLICT,
                "token_shards lacks a row of dataset_id " + datasetId + " (place " + place
                        + " of the data order); it was changed since the run started: run with --fresh",
                null);
    }

    /** Somebody else trains the run. */
    public static QLoraException runHeld(String runId, String holder, String lock) {
        return error(
                34,
                Kind.CONFLICT,
                "run " + runId + " is held by " + holder + " (" + lock + "); wait for it, or set another run_id",
                null);
    }

    /** The output directory can't be written. */
    public static QLoraException outputUnusable(String root, Exception cause) {
        return error(
                35,
                Kind.CONFIG,
                "output_dir " + root + " can't be written: " + oneLine(cause)
                        + "; check the path, its permissions, the room left and the jars of its filesystem",
                cause);
    }

    /** There is no such adapter. */
    public static QLoraException noAdapter(String runId, Long step, List<Long> known, String root) {
        String what = step == null ? "run " + runId : "step " + step + " of run " + runId;
        String fix = known.isEmpty() ? "train it first, or check run_id and output_dir" : "its steps are " + known;
        return error(36, Kind.CONFIG, "no adapter of " + what + " in " + root + "; " + fix, null);
    }

    /** A state from after the run's end. */
    public static QLoraException stateBeyondRun(String runId, long step, long total) {
        return error(
                37,
                Kind.CONFLICT,
                "run " + runId + " has a state of step " + step + " but ends at step " + total
                        + "; run with --fresh or set another run_id",
                null);
    }

    /** The job of a recorded run was changed. */
    public static QLoraException otherConfig(String runId, String key, Object recorded, Object now) {
        return error(
                38,
                Kind.CONFIG,
                "run " + runId + " was started with " + key + " = " + recorded + ", this job has " + now
                        + "; set it back, set another run_id, or run with --fresh",
                null);
    }

    /** A run that ended for good. */
    public static QLoraException hasDiverged(String runId, long step, String error) {
        return error(
                39,
                Kind.DIVERGED,
                "run " + runId + " has diverged, its last good state is that of step " + step + " (" + cause(error)
                        + "); it is not gone on with: lower learning_rate or max_grad_norm, lengthen the warm-up or look for"
                        + " bad rows, and train under another run_id"
                        + (step == 0 ? "" : "; evaluate, generate and export take the state that was kept"),
                null);
    }

    /** There is no such run. */
    public static QLoraException noRun(String runId, String root, List<String> known) {
        String what = runId == null ? "no run" : "no run " + runId;
        String fix = known.isEmpty() ? "train one first, or check output_dir" : "its runs are " + known;
        return error(40, Kind.CONFIG, what + " in " + root + "; " + fix, null);
    }

    /** The session can't do Delta's commands. */
    public static QLoraException sessionLacksDelta(String key, String value) {
        return error(
                41, Kind.CONFIG, "the Spark session lacks Delta: set " + key + "=" + value + " before it starts", null);
    }

    /** The template's file can't be read. */
    public static QLoraException templateUnreadable(String file, Exception cause) {
        return error(
                42,
                Kind.CONFIG,
                "chat_template " + file + " can't be read: " + oneLine(cause) + "; name a file of UTF-8 text",
                cause);
    }

    /** The answers of evaluation rows can't be found. */
    public static QLoraException badGenerateOption(String problem, String fix) {
        return error(43, Kind.CONFIG, problem + "; " + fix, null);
    }

    /** The demo's files are not there. */
    public static QLoraException demoMissing(String looked) {
        return error(
                44, Kind.CONFIG, "the demo's files are not in " + looked + "; name their folder with --demo-dir", null);
    }

    /** The base at hand is not the one that a run was trained on. */
    public static QLoraException notTheRunsBase(String runId, String folder, String expected, String found) {
        return error(
                45,
                Kind.INPUT,
                "run " + runId + " was trained on another base than " + folder + " (fingerprint " + expected
                        + ", found " + found
                        + "); set model_name_or_path to its base, or choose another run with --run-id",
                null);
    }

    /** The tokenizer at hand is not the one that a run was trained with. */
    public static QLoraException notTheRunsTokenizer(String runId, String folder, String expected, String found) {
        return error(
                46,
                Kind.INPUT,
                "run " + runId + " was trained with another tokenizer than that in " + folder + " (hash " + expected
                        + ", found " + found + "); put the tokenizer's files of the run back, its template among them",
                null);
    }

    /** Micro-batches beyond counting. */
    public static QLoraException batchTooLarge(long batchSize, int longestRow, int most) {
        return error(
                47,
                Kind.CONFIG,
                "per_device_train_batch_size " + batchSize + " with rows of " + longestRow
                        + " tokens makes micro-batches of " + batchSize * longestRow + " tokens, "
                        + most + " is the most; lower per_device_train_batch_size or max_seq_length",
                null);
    }

    /** Base and adapter don't fit. */
    public static QLoraException answersNeedMemory(String device, long need, long have) {
        return error(
                48,
                Kind.RESOURCES,
                "not enough memory on " + device + ": base and adapter need " + need + " bytes, " + have
                        + " are free; end other processes there, or set backend to another device",
                null);
    }

    /** Spark's discovery script gives GPUs other names than the driver. */
    public static QLoraException badGpuAddress(String address) {
        return error(
                49,
                Kind.CONFIG,
                "Spark gave the task a GPU with the address '" + address + "', which is no number; let the script in"
                        + " spark.executor.resource.gpu.discoveryScript print the numbers that nvidia-smi shows",
                null);
    }

    /** A run's error without its code and its advice. */
    private static String cause(String error) {
        return firstLine(error).replaceFirst("^QLORA-\\w+: ", "").replaceFirst(";.*", "");
    }

    private static QLoraException config(int code, String message, Throwable cause) {
        return error(code, Kind.CONFIG, message, cause);
    }

    private static QLoraException error(int code, Kind kind, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-P%03d", code), kind, message, cause);
    }

    /** The YAML parser's first line is where it was, its second what it met. */
    private static String problem(String text) {
        return text == null || !text.startsWith("while ")
                ? firstLine(text)
                : text.lines().limit(2).map(String::strip).collect(Collectors.joining(" "));
    }

    private static String oneLine(Throwable cause) {
        if (cause instanceof NoSuchFileException) {
            return "it does not exist";
        }
        if (cause instanceof CharacterCodingException) {
            return "it is not UTF-8 text";
        }
        return firstLine(cause.getMessage() == null ? cause.toString() : cause.getMessage());
    }

    private static String firstLine(String text) {
        return text == null
                ? "no detail"
                : text.lines().findFirst().orElse("no detail").strip();
    }
}
