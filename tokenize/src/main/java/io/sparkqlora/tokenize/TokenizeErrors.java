// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;

/**
 * The errors of this module. Codes are never reused. D001–D049: tokenizers, templates, conversations; D050–D099:
 * sources, packing, the job.
 */
public final class TokenizeErrors {

    private TokenizeErrors() {}

    // ---- D001–D049: tokenizers, templates, conversations

    /** A tokenizer's folder lacks tokenizer.json. */
    static QLoraException noTokenizer(Path dir) {
        return input(
                "QLORA-D001",
                dir
                        + " has no tokenizer.json; give a folder with a Hugging Face fast tokenizer (a slow one is converted by "
                        + "AutoTokenizer.from_pretrained(…).save_pretrained(…))",
                null);
    }

    /** A file of the tokenizer can't be read. */
    static QLoraException badTokenizerFile(Path file, String problem, Throwable cause) {
        return input(
                "QLORA-D002", file + " can't be used: " + problem + "; download or save the tokenizer again", cause);
    }

    /** The template doesn't compile. */
    static QLoraException badTemplate(String source, String message, int line) {
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
    static QLoraException noDefaultTemplate(Path file, Object names) {
        return input(
                "QLORA-D007",
                file + " has the chat templates " + names
                        + " but none named default; choose one with the key chat_template",
                null);
    }

    private static QLoraException input(String code, String message, Throwable cause) {
        return new QLoraException(code, Kind.INPUT, message, cause);
    }

    // ---- D050–D099: sources, packing, the job
}
