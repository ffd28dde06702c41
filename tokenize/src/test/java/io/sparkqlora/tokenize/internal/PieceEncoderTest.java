// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.tokenize.internal.NativeTokenizer.Encoded;
import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Text encoded piece by piece has the tokens and offsets that it has as a whole, for every kind of tokenizer let through. */
class PieceEncoderTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String CL100K = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LEAD = "[^\\r\\n\\p{L}\\p{N}]?";
    private static final String O200K =
            LEAD + UPPER + "*" + LOWER + "+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|" + LEAD + UPPER + "+"
                    + LOWER + "*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+"
                    + "|\\s+(?!\\S)|\\s+";

    /** What texts are put together from: words, and all that makes borders of words hard to tell. */
    private static final List<String> PARTS = List.of(
            "the",
            "cat",
            "Sat",
            "ON",
            "a",
            "é",
            "e\u0301",
            "\u0301",
            "ß",
            "中文",
            "日本",
            "🙂",
            "👩‍👧",
            "\uD834\uDD1E",
            "'s",
            "'LL",
            "'",
            "1",
            "42",
            "12345",
            "½",
            "٣",
            "—",
            "’",
            ".",
            ",",
            "?!",
            "/",
            "-",
            "_",
            "(",
            "<",
            "<|",
            "|>",
            "<|im_start|>",
            "<|im_end|>",
            "<|im",
            "<s>",
            "«tool»",
            " ",
            " ",
            " ",
            " ",
            "  ",
            "   ",
            "\n",
            "\n\n",
            "\r\n",
            "\t",
            " \n",
            "\u00A0",
            "\u2003",
            "\u200B",
            "\u180E",
            "\u0085",
            "\u2028",
            "\uFEFF",
            "\u0000",
            "\u0378");

    static Stream<String> preTokenizers() {
        String bytes = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}";
        return Stream.of(
                bytes.replace("\"use_regex\":false", "\"use_regex\":true"),
                "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
                        + bytes.replace("\"use_regex\":false", "\"use_regex\":true") + "]}",
                split(CL100K, bytes),
                split(CL100K.replace("{1,3}", ""), bytes),
                split(CL100K.replace("]?\\p{L}", "]?+\\p{L}").replace("N}]+[", "N}]++["), bytes),
                split(O200K, bytes));
    }

    private static String split(String regex, String bytes) {
        try {
            return "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
                    + JSON.writeValueAsString(regex) + "},\"behavior\":\"Isolated\",\"invert\":false}," + bytes + "]}";
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @MethodSource("preTokenizers")
    void piecesHaveTheTokensOfTheWhole(String preTokenizer) {
        for (String normalizer : List.of("null", "{\"type\":\"NFC\"}")) {
            ObjectNode json = tokenizer();
            json.set("pre_tokenizer", read(preTokenizer));
            json.set("normalizer", read(normalizer));
            compare(json);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "null",
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":false,\"use_regex\":true}",
                "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}",
                "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                        + "\"trim_offsets\":true,\"use_regex\":true},{\"type\":\"TemplateProcessing\",\"single\":["
                        + "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                        + "{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}}],\"pair\":["
                        + "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
                        + "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[0],\"tokens\":[\"<s>\"]}}}]}"
            })
    void postProcessorsToo(String postProcessor) {
        ObjectNode json = tokenizer();
        json.set("post_processor", read(postProcessor));
        compare(json);
    }

    @Test
    void addedTokensAreFoundAsTheTokenizerFindsThem() {
        ObjectNode json = tokenizer();
        add(json, "<|im_start|>user", false);
        add(json, "  ", false);
        add(json, " cat", true);
        add(json, "\n\n", true);
        add(json, "«tool»", false);
        compare(json);
    }

    private static void compare(JsonNode json) {
        try (NativeTokenizer whole = new NativeTokenizer(json.toString())) {
            PieceEncoder pieces = PieceEncoder.of(whole, json).orElseThrow();
            Random random = new Random(7);
            for (int i = 0; i < 1500; i++) {
                StringBuilder text = new StringBuilder();
                for (int parts = random.nextInt(30); parts > 0; parts--) {
                    text.append(PARTS.get(random.nextInt(PARTS.size())));
                }
                check(whole, pieces, text.toString(), i % 2 == 0);
            }
        }
    }

    private static void check(NativeTokenizer whole, PieceEncoder pieces, String text, boolean special) {
        Encoded expected = whole.encodeWithOffsets(text, special);
        Encoded actual = pieces.encode(text, special);
        assertThat(actual.ids()).as("ids of %s", quoted(text)).isEqualTo(expected.ids());
        assertThat(actual.starts()).as("starts of %s", quoted(text)).isEqualTo(expected.starts());
        assertThat(actual.ends()).as("ends of %s", quoted(text)).isEqualTo(expected.ends());
        assertThat(whole.encode(text, special)).isEqualTo(expected.ids());
    }

    private static String quoted(String text) {
        return JSON.valueToTree(text).toString();
    }

    @Test
    void aCharacterBeforeASpaceIsTheOneThatTheExpressionsTakeIt() {
        JsonNode json = tokenizer();
        try (NativeTokenizer whole = new NativeTokenizer(json.toString())) {
            PieceEncoder pieces = PieceEncoder.of(whole, json).orElseThrow();
            for (int c = 0; c < Character.MIN_SUPPLEMENTARY_CODE_POINT; c++) {
                if (!Character.isSurrogate((char) c)) {
                    check(whole, pieces, "a" + (char) c + " b " + (char) c + "  c", false);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "pre_tokenizer={\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"always\",\"split\":true}",
                "pre_tokenizer=null",
                "pre_tokenizer={\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}",
                "pre_tokenizer={\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}",
                "normalizer={\"type\":\"Lowercase\"}",
                "normalizer={\"type\":\"Prepend\",\"prepend\":\"▁\"}",
                "post_processor={\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}",
            })
    void othersGoWhole(String change) {
        ObjectNode json = tokenizer();
        int equals = change.indexOf('=');
        json.set(change.substring(0, equals), read(change.substring(equals + 1)));
        assertThat(PieceRules.hold(tokenizer())).isTrue();
        assertThat(PieceRules.hold(json)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"\\S+ ?|\\s+", ".+", "\\p{N}{1,3}", "(?<=a) ?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+", ""})
    void unknownExpressionsGoWhole(String regex) {
        ObjectNode json = tokenizer();
        String bytes = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}";
        json.set("pre_tokenizer", read(split(regex, bytes)));
        assertThat(PieceRules.hold(json)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"lstrip", "rstrip", "single_word", "content"})
    void addedTokensThatMindTheirNeighboursGoWhole(String flag) {
        ObjectNode json = tokenizer();
        ObjectNode token = (ObjectNode) json.withArray("added_tokens").get(0);
        if (flag.equals("content")) {
            token.put("content", "two words");
        } else {
            token.put(flag, true);
        }
        assertThat(PieceRules.hold(json)).isFalse();
    }

    @Test
    void aClosedTokenizerRemembersNothing() {
        JsonNode json = tokenizer();
        NativeTokenizer whole = new NativeTokenizer(json.toString());
        PieceEncoder pieces = PieceEncoder.of(whole, json).orElseThrow();
        assertThat(pieces.encode("cat", false).ids()).isNotEmpty();
        whole.close();
        assertThatThrownBy(() -> pieces.encode("cat", false))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the tokenizer is closed");
    }

    private static ObjectNode tokenizer() {
        try (var stream = PieceEncoderTest.class.getResourceAsStream("/io/sparkqlora/tokenize/bpe/tokenizer.json")) {
            ObjectNode json = (ObjectNode) JSON.readTree(stream);
            json.putNull("normalizer");
            json.set(
                    "pre_tokenizer",
                    read(
                            "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"));
            json.putNull("post_processor");
            return json;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void add(ObjectNode json, String content, boolean normalized) {
        ArrayNode tokens = json.withArray("added_tokens");
        tokens.addObject()
                .put("id", 402 + tokens.size())
                .put("content", content)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", normalized)
                .put("special", !normalized);
    }

    private static JsonNode read(String json) {
        try {
            return JSON.readTree(json);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
