// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextTokenizerTest {

    @TempDir
    Path dir;

    private static int[] ints(JsonNode node) {
        return Resources.JSON.convertValue(node, int[].class);
    }

    @Test
    void encodesAsTransformersDoes() {
        JsonNode reference = Resources.json("bpe/reference.json");
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"))) {
            assertThat(tokenizer.vocabSize()).isEqualTo(reference.get("size").asInt());
            assertThat(reference.get("texts")).hasSizeGreaterThan(50);
            for (JsonNode each : reference.get("texts")) {
                String text = each.get(0).asText();
                assertThat(tokenizer.encode(text, true)).as(text).isEqualTo(ints(each.get(1)));
                assertThat(tokenizer.encode(text, false)).as(text).isEqualTo(ints(each.get(2)));
                assertThat(tokenizer.decode(ints(each.get(2)), false)).isEqualTo(text);
            }
        }
    }

    @Test
    void truncationAndPaddingOfTheFileAreOff() {
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"))) {
            assertThat(tokenizer.encode("x", false)).hasSize(1);
            assertThat(tokenizer.encode("cat ".repeat(5000), false)).hasSizeGreaterThan(5000);
        }
    }

    @Test
    void offsetsAreUtf16() {
        String text = "a🙂b 中\u0301 👩‍👧x";
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"))) {
            TokenOffsets offsets = tokenizer.encodeWithOffsets(text, true);
            assertThat(offsets.ends()[0]).as("the added <s> covers nothing").isZero();
            boolean[] covered = new boolean[text.length()];
            for (int i = 1; i < offsets.ids().length; i++) {
                int start = offsets.starts()[i];
                int end = offsets.ends()[i];
                assertThat(Character.isLowSurrogate(text.charAt(start))).isFalse();
                IntStream.range(start, end).forEach(at -> covered[at] = true);
            }
            assertThat(covered).containsOnly(true);
            assertThat(offsets.ends()[offsets.ids().length - 1]).isEqualTo(text.length());
        }
    }

    @Test
    void addsTheSpecialTokensThatOnlyTheConfigKnows() {
        Resources.byteLevel(
                dir, "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"pad_token\":\"<pad>\"}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.encode("<s>a</s>", false))
                    .startsWith(0)
                    .endsWith(1)
                    .hasSize(3);
            assertThat(tokenizer.tokenToId("<pad>")).hasValue(258);
            assertThat(tokenizer.encode("<pad>", false)).containsExactly(258);
            assertThat(tokenizer.specialTokens()).containsEntry("eos_token", "</s>");
            assertThat(tokenizer.tokenToId("none such")).isEmpty();
        }
    }

    @Test
    void specialTokensMapIsReadToo() throws IOException {
        Files.copy(Resources.path("byte-level/tokenizer.json"), dir.resolve("tokenizer.json"));
        Files.writeString(dir.resolve("special_tokens_map.json"), "{\"eos_token\":{\"content\":\"</s>\"}}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.eosToken()).isEqualTo("</s>");
        }
    }

    @Test
    void theTemplateFileGoesFirst() throws IOException {
        Resources.byteLevel(dir, "{\"chat_template\":\"from the config\"}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.requireChatTemplate()).isEqualTo("from the config");
        }
        Files.writeString(dir.resolve("chat_template.jinja"), "from the file");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.requireChatTemplate()).isEqualTo("from the file");
        }
    }

    @Test
    void namedTemplates() {
        Resources.byteLevel(
                dir,
                "{\"chat_template\":[{\"name\":\"default\",\"template\":\"D\"},{\"name\":\"tool_use\",\"template\":\"T\"}]}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.chatTemplate()).hasValue("D");
            assertThat(tokenizer.toolTemplate()).hasValue("T");
        }
    }

    @Test
    void namedTemplatesWithoutADefault() {
        Resources.byteLevel(dir, "{\"chat_template\":[{\"name\":\"rag\",\"template\":\"D\"}]}");
        assertError("QLORA-D007", "has the chat templates [rag] but none named default");
    }

    @Test
    void missingTokenizer() {
        assertError("QLORA-D001", "has no tokenizer.json");
    }

    @Test
    void brokenTokenizers() throws IOException {
        Files.writeString(dir.resolve("tokenizer.json"), "{\"model\":");
        assertError("QLORA-D002", "tokenizer.json can't be used: it isn't valid JSON (line 1");
        Files.writeString(dir.resolve("tokenizer.json"), "[]");
        assertError("QLORA-D002", "it isn't a JSON object");
        Files.writeString(dir.resolve("tokenizer.json"), "{\"model\":{\"type\":\"Nothing\",\"vocab\":{\"a\":0}}}");
        assertError("QLORA-D002", "tokenizers refuses it");
    }

    private void assertError(String code, String message) {
        assertThatThrownBy(() -> TextTokenizer.open(dir))
                .isInstanceOfSatisfying(QLoraException.class, e -> {
                    assertThat(e.code()).isEqualTo(code);
                    assertThat(e.kind()).isEqualTo(Kind.INPUT);
                })
                .hasMessageContaining(message);
    }

    @Test
    void missingTemplateNamesTheKey() {
        Resources.byteLevel(dir, "{}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThatThrownBy(tokenizer::requireChatTemplate)
                    .hasMessageStartingWith("QLORA-D004")
                    .hasMessageContaining("set the key chat_template");
            assertThatThrownBy(tokenizer::eosToken).hasMessageStartingWith("QLORA-D006");
        }
    }

    @Test
    void vocabulariesThatDisagree() {
        Resources.byteLevel(dir, "{\"pad_token\":\"<pad>\"}");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThatCode(() -> tokenizer.agreesWith(259)).doesNotThrowAnyException();
            assertThatThrownBy(() -> tokenizer.agreesWith(258))
                    .hasMessageStartingWith("QLORA-D005")
                    .hasMessageContaining("largest id is 258 ('<pad>'), the model's vocab_size is 258");
        }
    }

    @Test
    void hashCoversEveryFile() throws IOException {
        Resources.byteLevel(dir, "{}");
        String before;
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            before = tokenizer.sha256();
            assertThat(before).hasSize(64);
        }
        Files.writeString(dir.resolve("chat_template.jinja"), "x");
        try (TextTokenizer tokenizer = TextTokenizer.open(dir)) {
            assertThat(tokenizer.sha256()).isNotEqualTo(before);
        }
    }

    @Test
    void manyThreadsUseOne() {
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"))) {
            List<String> texts = IntStream.range(0, 2000)
                    .mapToObj(i -> "the cat " + i + " 🙂 中文")
                    .toList();
            List<int[]> alone =
                    texts.stream().map(text -> tokenizer.encode(text, true)).toList();
            List<int[]> together = texts.parallelStream()
                    .map(text -> tokenizer.encode(text, true))
                    .toList();
            assertThat(together).usingRecursiveComparison().isEqualTo(alone);
        }
    }

    @Test
    void closedTokenizersSaySo() {
        TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"));
        tokenizer.close();
        tokenizer.close();
        assertThatThrownBy(() -> tokenizer.encode("x", false)).hasMessage("the tokenizer is closed");
    }
}
