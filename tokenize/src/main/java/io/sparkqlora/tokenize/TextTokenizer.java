// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.internal.NativeTokenizer;
import io.sparkqlora.tokenize.internal.PieceEncoder;
import io.sparkqlora.tokenize.internal.TokenizerFiles;
import io.sparkqlora.tokenize.internal.Vocabulary;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * A Hugging Face fast tokenizer: tokenizer.json with the special tokens and the chat template of the files beside it.
 * Works offline; thread-safe; holds native memory until it is closed.
 */
public final class TextTokenizer implements AutoCloseable {

    private final Path dir;
    private final NativeTokenizer tokenizer;
    private final PieceEncoder pieces;
    private final Vocabulary vocabulary;
    private final int largestId;
    private final Map<String, String> specialTokens;
    private final String chatTemplate;
    private final String toolTemplate;
    private final String sha256;

    private TextTokenizer(Path dir, TokenizerFiles files) {
        String json = files.tokenizerJson();
        this.dir = dir;
        this.specialTokens = Map.copyOf(files.specialTokens());
        this.chatTemplate = files.chatTemplate("default");
        this.toolTemplate = files.chatTemplate("tool_use");
        this.sha256 = files.sha256();
        this.tokenizer = load(dir, json);
        JsonNode parsed = parse(dir, json);
        this.vocabulary = Vocabulary.of(parsed);
        this.largestId = vocabulary.largest().getValue();
        this.pieces = PieceEncoder.of(tokenizer, parsed).orElse(null);
    }

    /**
     * Opens the tokenizer of a folder.
     *
     * @throws QLoraException QLORA-D001 without the folder or tokenizer.json, QLORA-D002 with a file that can't be used, QLORA-D007
     *     with named chat templates and none named default
     */
    public static TextTokenizer open(Path dir) {
        return new TextTokenizer(dir, new TokenizerFiles(dir));
    }

    private static NativeTokenizer load(Path dir, String json) {
        try {
            return new NativeTokenizer(json);
        } catch (RuntimeException e) {
            throw TokenizeErrors.badTokenizerFile(
                    dir.resolve("tokenizer.json"), "tokenizers refuses it (" + e.getMessage() + ")", e);
        }
    }

    private static JsonNode parse(Path folder, String json) {
        try {
            return new ObjectMapper().readTree(json);
        } catch (JsonProcessingException e) {
            throw TokenizeErrors.badTokenizerFile(folder.resolve("tokenizer.json"), e.getOriginalMessage(), e);
        }
    }

    /** How many tokens there are, added ones included. */
    public int vocabSize() {
        return vocabulary.ids().size();
    }

    /** The largest id of a token. */
    int largestId() {
        return largestId;
    }

    /** The id of a token, or empty. */
    public Optional<Integer> tokenToId(String token) {
        return Optional.ofNullable(vocabulary.ids().get(token));
    }

    /** The special tokens by their names, such as bos_token and eos_token. */
    public Map<String, String> specialTokens() {
        return specialTokens;
    }

    /** The token that ends a text; throws QLORA-D006 if there is none. */
    public String eosToken() {
        String token = specialTokens.get("eos_token");
        if (token == null) {
            throw TokenizeErrors.noEos(dir);
        }
        return token;
    }

    /** The chat template's text, or empty. */
    public Optional<String> chatTemplate() {
        return Optional.ofNullable(chatTemplate);
    }

    /** The template for conversations with tools, where the tokenizer has one of its own. */
    public Optional<String> toolTemplate() {
        return Optional.ofNullable(toolTemplate);
    }

    /** The chat template's text; throws QLORA-D004 if there is none. */
    public String requireChatTemplate() {
        return chatTemplate().orElseThrow(() -> TokenizeErrors.noTemplate(dir));
    }

    /** A hash of the tokenizer's files. */
    public String sha256() {
        return sha256;
    }

    /** Checks that the model has an embedding for each token; throws QLORA-D005 if not. */
    public void agreesWith(int modelVocabSize) {
        Map.Entry<String, Integer> largest = vocabulary.largest();
        if (largest.getValue() >= modelVocabSize) {
            throw TokenizeErrors.vocabularyTooLarge(dir, largest.getValue(), largest.getKey(), modelVocabSize);
        }
    }

    /**
     * The token ids of a text.
     *
     * @param addSpecialTokens whether the tokenizer's post-processor adds its tokens, such as a beginning-of-sequence
     */
    public int[] encode(String text, boolean addSpecialTokens) {
        return pieces == null
                ? tokenizer.encode(text, addSpecialTokens)
                : pieces.encode(text, addSpecialTokens).ids();
    }

    /** The token ids of a text with the UTF-16 units that each covers. */
    TokenOffsets encodeWithOffsets(String text, boolean addSpecialTokens) {
        return TokenOffsets.of(
                pieces == null
                        ? tokenizer.encodeWithOffsets(text, addSpecialTokens)
                        : pieces.encode(text, addSpecialTokens));
    }

    /** The text of token ids. */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        return tokenizer.decode(ids, skipSpecialTokens);
    }

    /** The folder it was opened from. */
    public Path dir() {
        return dir;
    }

    /** Frees the native memory; using the tokenizer afterwards is an {@link IllegalStateException}. */
    @Override
    public void close() {
        tokenizer.close();
    }
}
