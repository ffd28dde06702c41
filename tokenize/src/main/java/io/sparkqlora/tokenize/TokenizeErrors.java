// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The errors of this module. Codes are never reused. D001–D049: tokenizers, templates, conversations; D050–D099:
 * sources, packing, the job.
 */
public final class TokenizeErrors {

    private TokenizeErrors() {}

    // ---- D001–D049: tokenizers, templates, conversations

    /** A tokenizer's folder lacks tokenizer.json. */
    public static QLoraException noTokenizer(Path dir) {
        return input(
                "QLORA-D001",
                dir
                        + " has no tokenizer.json; give a folder with a Hugging Face fast tokenizer (a slow one is converted by "
                        + "AutoTokenizer.from_pretrained(…).save_pretrained(…))",
                null);
    }

    /** There is no such folder. */
    public static QLoraException noFolder(Path dir) {
        return input(
                "QLORA-D001",
                "there is no folder " + dir + ", where the tokenizer should be; give the folder of a Hugging Face"
                        + " checkpoint or tokenizer (names on the hub are not downloaded)",
                null);
    }

    /** A file of the tokenizer can't be read. */
    public static QLoraException badTokenizerFile(Path file, String problem, Throwable cause) {
        return input(
                "QLORA-D002", file + " can't be used: " + problem + "; download or save the tokenizer again", cause);
    }

    /** The template doesn't compile. */
    public static QLoraException badTemplate(String source, String message, int line) {
        return input(
                "QLORA-D003",
                "the chat template of " + source + " fails at line " + line + ": " + message
                        + "; mend it or name another with the key chat_template",
                null);
    }

    /** Conversations need a template and there is none. */
    static QLoraException noTemplate(Path dir) {
        return input(
                "QLORA-D004",
                "the tokenizer in " + dir + " has no chat template (no chat_template.jinja, no chat_template in "
                        + "tokenizer_config.json); set the key chat_template to a template or a file that holds one",
                null);
    }

    /** The tokenizer makes ids that the model has no embedding for. */
    static QLoraException vocabularyTooLarge(Path dir, int largestId, String token, int modelVocabSize) {
        return input(
                "QLORA-D005",
                "the tokenizer in " + dir + " and the model disagree: the tokenizer's largest id is " + largestId
                        + " ('"
                        + token + "'), the model's vocab_size is " + modelVocabSize
                        + "; use the tokenizer that belongs to the model",
                null);
    }

    /** Text rows and completions end with the end-of-sequence token, and there is none. */
    static QLoraException noEos(Path dir) {
        return input(
                "QLORA-D006",
                "the tokenizer in " + dir + " has no eos_token, which ends each completion; set eos_token in "
                        + "tokenizer_config.json",
                null);
    }

    /** A list of named templates without the one that is asked for. */
    public static QLoraException noDefaultTemplate(Path file, Object names) {
        return input(
                "QLORA-D007",
                file + " has the chat templates " + names
                        + " but none named default; choose one with the key chat_template",
                null);
    }

    /** The tokenizers library can't be unpacked or loaded. */
    public static QLoraException noNativeTokenizers(String what, Throwable cause) {
        return config(
                "QLORA-D008",
                "the tokenizers library can't be loaded from " + what + ": " + cause.getMessage()
                        + "; set ENGINE_CACHE_DIR to a folder that can be written, on Linux on x86-64",
                cause);
    }

    private static QLoraException input(String code, String message, Throwable cause) {
        return new QLoraException(code, Kind.INPUT, message, cause);
    }

    // ---- D050–D099: sources, packing, the job

    /** Nothing lies at a source's path. */
    public static QLoraException sourceMissing(String location) {
        return input(
                "QLORA-D050",
                "the dataset " + location
                        + " doesn't exist: there is no such file, folder or table, and nothing matches it "
                        + "as a glob; mend the key dataset",
                null);
    }

    /** A name that isn't a format's. */
    static QLoraException unknownFormatName(String name, List<String> names) {
        return config(
                "QLORA-D051", "dataset_format '" + name + "' isn't known; choose one of " + String.join(", ", names));
    }

    /** Extensions that don't tell the format. */
    public static QLoraException undecidableFormat(String location, Set<String> extensions) {
        return input(
                "QLORA-D059",
                "the format of " + location + " can't be told from its files' extensions " + quoted(extensions)
                        + "; name it with the key dataset_format (parquet, json, jsonl, csv, delta)",
                null);
    }

    /** A named column that the source hasn't. */
    public static QLoraException noSuchColumn(
            String option, String column, List<String> columns, Optional<String> nearest) {
        return config(
                "QLORA-D052",
                option + " names '" + column + "', which the dataset doesn't have; its columns are "
                        + String.join(", ", columns)
                        + nearest.map(name -> "; did you mean '" + name + "'?").orElse("; name one of them"));
    }

    /** Columns among which no row shape can be seen. */
    public static QLoraException noShape(List<String> columns) {
        return input(
                "QLORA-D053",
                "the dataset has none of the columns that tell its row shape: messages, or prompt and completion, or text, or "
                        + "input_ids and labels, or conversations, or instruction and output; "
                        + "its columns are "
                        + (columns.isEmpty() ? "none that can be read" : String.join(", ", columns))
                        + "; name the right ones with messages_column, prompt_column and completion_column, or text_column",
                null);
    }

    /** A file of the source that can't be read. */
    public static QLoraException unreadable(String file, String problem, Throwable cause) {
        return input(
                "QLORA-D054",
                "can't read " + file + ": " + problem + "; replace the file, or name its format with dataset_format",
                cause);
    }

    /** A place whose files can't be listed. */
    public static QLoraException unlistable(String location, Exception cause) {
        String problem = cause.getMessage() == null ? cause.toString() : cause.getMessage();
        boolean colon = problem.contains("Relative path in absolute URI");
        return input(
                "QLORA-D063",
                "can't list " + location + ": "
                        + (colon
                                ? "Hadoop can't take names with a colon (" + problem.replaceFirst(".*: ", "")
                                        + "); rename that file"
                                : problem.lines().findFirst().orElse("no reason given")
                                        + "; check the path, and that the jars of its filesystem are there"),
                cause);
    }

    /** A source without a row. */
    public static QLoraException emptySource(String location) {
        return input("QLORA-D055", "the dataset " + location + " has no row; give one with at least one", null);
    }

    /** A folder without a file. */
    public static QLoraException noFile(String location) {
        return input(
                "QLORA-D055",
                "the dataset " + location + " has no row: the folder holds no file (names that begin with _ or . don't"
                        + " count, as in Spark); give one with at least one",
                null);
    }

    /** A source all of whose rows were rejected. */
    public static QLoraException noUsableRow(
            String location, long rows, Map<String, Long> rejectedByReason, String example) {
        return input(
                "QLORA-D056",
                "none of the " + rows + " rows of " + location + " can be used (" + reasons(rejectedByReason)
                        + "); for example " + example + "; mend "
                        + cure(rejectedByReason.keySet()),
                null);
    }

    private static String cure(Set<String> reasons) {
        if (reasons.equals(Set.of("template_error"))) {
            return "the chat template, or name another with the key chat_template";
        }
        return reasons.equals(Set.of("empty_assistant_mask"))
                ? "the chat template, whose {% generation %} marks hold no assistant text of any row, or name another with "
                        + "the key chat_template, or set assistant_only_loss to false"
                : "the rows or the keys that name the columns";
    }

    /** Delta isn't on the class path. */
    public static QLoraException noDelta(String location, Throwable cause) {
        return config(
                "QLORA-D057",
                location
                        + " is a Delta table, and this Spark session has no Delta; add io.delta:delta-spark_2.13 and set "
                        + "spark.sql.extensions and spark.sql.catalog.spark_catalog as Delta's documentation says",
                cause);
    }

    /** Options that make no sense. */
    static QLoraException badOption(String option, Object value, String problem) {
        return config("QLORA-D058", option + " is " + value + ": " + problem);
    }

    /** A column of a type that can't hold the row shape. */
    public static QLoraException wrongType(String column, String type, String wanted) {
        return input(
                "QLORA-D060",
                "the column " + column + " is of type " + type + ", wanted is " + wanted
                        + "; name another column or convert it",
                null);
    }

    /** A table that the catalog doesn't have. */
    public static QLoraException noSuchTable(String table, String database) {
        return input(
                "QLORA-D061",
                "there is no table or view " + table + " (the current database is " + database
                        + "); mend the key dataset, or name the format of the files with dataset_format",
                null);
    }

    /** A path with format delta that isn't one. */
    public static QLoraException noDeltaTable(String location) {
        return input(
                "QLORA-D062",
                location
                        + " is no Delta table: it has no _delta_log with a commit; mend the key dataset or dataset_format",
                null);
    }

    /** One column of answers without the other. */
    static QLoraException halfAPreference(String option, String column) {
        return config(
                "QLORA-D070",
                option + " is " + column
                        + ", and the other answers have no column; set chosen_column and rejected_column, or neither of them");
    }

    /** An option that says nothing about rows of preferences. */
    static QLoraException notOfPreferences(String option, String value) {
        return config(
                "QLORA-D071",
                option + " is " + value
                        + ", but rows are preferences: pairs of a chosen and a rejected answer (chosen_column, rejected_column,"
                        + " and prompt_column where the prompt stands apart), which stay whole; drop the key");
    }

    private static QLoraException config(String code, String message) {
        return config(code, message, null);
    }

    private static QLoraException config(String code, String message, Throwable cause) {
        return new QLoraException(code, Kind.CONFIG, message, cause);
    }

    private static String quoted(Set<String> names) {
        return names.stream().map(name -> "'" + name + "'").collect(Collectors.joining(", "));
    }

    private static String reasons(Map<String, Long> rejectedByReason) {
        return rejectedByReason.entrySet().stream()
                .map(entry -> entry.getKey() + ": " + entry.getValue())
                .collect(Collectors.joining(", "));
    }
}
