// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The reference answers are transformers', made by src/test/python/generation_reference.py. */
class GeneratorTest {

    private static final Path MODEL = Path.of("src/test/resources/models/llama");

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final Checkpoint checkpoint = Checkpoint.open(MODEL);
    private final Adapter adapter = AdapterFiles.read(MODEL.resolve("adapter_final"));
    private Generator generator;
    private JsonNode reference;
    private List<int[]> prompts;

    @BeforeEach
    void open() throws IOException {
        generator = open(QuantizationConfig.dense(ComputeType.F32), adapter);
        reference = new ObjectMapper()
                .readTree(Path.of("src/test/resources/generation/llama.json").toFile());
        prompts = lists(reference.get("prompts"));
    }

    private Generator open(QuantizationConfig quantization, Adapter with) {
        return Generator.open(device, checkpoint.config(), checkpoint.weights(), quantization, with);
    }

    @AfterEach
    void close() {
        generator.close();
        checkpoint.close();
        device.close();
    }

    private static List<int[]> lists(JsonNode arrays) {
        List<int[]> lists = new ArrayList<>();
        for (JsonNode array : arrays) {
            int[] values = new int[array.size()];
            Arrays.setAll(values, i -> array.get(i).asInt());
            lists.add(values);
        }
        return lists;
    }

    private static void assertAnswers(List<Generation> answers, List<int[]> expected) {
        assertThat(answers).extracting(Generation::tokens).containsExactlyElementsOf(expected);
    }

    @Test
    void greedyAnswersAreThoseOfTransformers() {
        List<Generation> base = generator.generate(prompts, GenerationConfig.greedy(24), false);
        assertAnswers(base, lists(reference.get("base").get("answers")));
        List<Generation> adapted = generator.generate(prompts, GenerationConfig.greedy(24), true);
        assertAnswers(adapted, lists(reference.get("adapted").get("answers")));
        assertThat(adapted).noneMatch(Generation::ended);
    }

    @Test
    void batchesDoNotChangeAnswers() {
        GenerationConfig pairs =
                GenerationConfig.builder().maxNewTokens(24).batchSize(2).build();
        assertAnswers(
                generator.generate(prompts, pairs, true),
                lists(reference.get("adapted").get("answers")));
        List<int[]> many = new ArrayList<>();
        List<int[]> expected = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            many.addAll(prompts);
            expected.addAll(lists(reference.get("adapted").get("answers")));
        }
        assertAnswers(generator.generate(many, GenerationConfig.greedy(24), true), expected);
    }

    @Test
    void theTurnsOfADialogueAreAnsweredAsTheWholeConversationIs() {
        GenerationConfig config = GenerationConfig.greedy(6);
        int[] first = prompts.get(1);
        try (Dialogue dialogue = generator.dialogue(120, true)) {
            assertThat(dialogue.known(first)).isZero();
            List<Integer> heard = new ArrayList<>();
            int[] answer = dialogue.answer(first, config, heard::add).tokens();
            assertThat(heard)
                    .containsExactlyElementsOf(Arrays.stream(answer).boxed().toList());
            assertThat(answer).isEqualTo(whole(first, config));
            int[] second = joined(first, joined(answer, prompts.get(0)));
            // but for the last token, which was never fed
            assertThat(dialogue.known(second)).isEqualTo(first.length + answer.length - 1);
            assertThat(dialogue.answer(second, config, token -> {}).tokens()).isEqualTo(whole(second, config));
            // another beginning: nothing of what was there is seen
            assertThat(dialogue.answer(prompts.get(0), config, token -> {}).tokens())
                    .isEqualTo(whole(prompts.get(0), config));
            assertThat(dialogue.answer(first, config, token -> {}).tokens()).isEqualTo(answer);
            assertThatThrownBy(() -> dialogue.answer(new int[115], config, token -> {}))
                    .hasMessageStartingWith("QLORA-T025: prompt 0 has 115 tokens");
        }
    }

    private int[] whole(int[] prompt, GenerationConfig config) {
        return generator.generate(List.of(prompt), config, true).get(0).tokens();
    }

    private static int[] joined(int[] one, int[] other) {
        int[] both = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, both, one.length, other.length);
        return both;
    }

    @Test
    void everyTokenIsTheLikeliestAfterAFullRecomputation() {
        int[] prompt = prompts.get(1);
        int[] answer = generator
                .generate(List.of(prompt), GenerationConfig.greedy(12), true)
                .get(0)
                .tokens();
        for (int length = 0; length < answer.length; length++) {
            int[] known = Arrays.copyOf(prompt, prompt.length + length);
            System.arraycopy(answer, 0, known, prompt.length, length);
            int next = generator
                    .generate(List.of(known), GenerationConfig.greedy(1), true)
                    .get(0)
                    .tokens()[0];
            assertThat(answer[length]).isEqualTo(next);
        }
    }

    @Test
    void anEndTokenEndsAnAnswer() {
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(24)
                .eosTokenIds(List.of(243, 55))
                .build();
        List<Generation> answers = generator.generate(prompts, config, false);
        for (int i = 0; i < prompts.size(); i++) {
            int[] whole = lists(reference.get("base").get("answers")).get(i);
            int end = 0;
            while (end < whole.length && whole[end] != 243 && whole[end] != 55) {
                end++;
            }
            assertThat(answers.get(i).tokens()).containsExactly(Arrays.copyOf(whole, Math.min(end + 1, whole.length)));
            assertThat(answers.get(i).ended()).isEqualTo(end < whole.length);
        }
        assertThat(answers).extracting(Generation::ended).contains(true, false);
    }

    @Test
    void samplingIsAFunctionOfTheSeed() {
        GenerationConfig.Builder config = GenerationConfig.builder()
                .maxNewTokens(24)
                .doSample(true)
                .topK(0)
                .eosTokenIds(List.of());
        List<Generation> first = generator.generate(prompts, config.seed(1).build(), true);
        List<Generation> alone = generator.generate(prompts, config.batchSize(1).build(), true);
        List<Generation> other = generator.generate(prompts, config.seed(2).build(), true);
        assertAnswers(alone, first.stream().map(Generation::tokens).toList());
        assertThat(first.get(2).tokens()).isNotEqualTo(other.get(2).tokens());
    }

    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void aQuantisedBaseGenerates(ComputeType compute) {
        try (Generator quantised = open(QuantizationConfig.nf4(compute), null)) {
            List<Generation> answers = quantised.generate(prompts, GenerationConfig.greedy(5), false);
            assertThat(answers).hasSize(5).allSatisfy(a -> assertThat(a.tokens())
                    .hasSize(5));
            assertAnswers(
                    quantised.generate(prompts, GenerationConfig.greedy(5), false),
                    answers.stream().map(Generation::tokens).toList());
        }
    }

    @Test
    void memoryGoesBack() {
        generator.generate(prompts, GenerationConfig.greedy(200), false);
        long peak = device.peakBytes();
        generator.generate(prompts, GenerationConfig.greedy(200), false);
        assertThat(device.peakBytes()).isEqualTo(peak);
    }

    @Test
    void aTrainingSessionGeneratesWithItsAdapterAsItIs() {
        TrainingArguments arguments = TrainingArguments.builder().maxSteps(1).build();
        try (TrainingSession session = TrainingSession.open(
                        device,
                        checkpoint.config(),
                        checkpoint.weights(),
                        QuantizationConfig.dense(ComputeType.F32),
                        adapter.config(),
                        arguments,
                        32);
                Generator sessions = session.generator()) {
            GenerationConfig greedy = GenerationConfig.greedy(24);
            List<int[]> base = lists(reference.get("base").get("answers"));
            assertAnswers(sessions.generate(prompts, greedy, false), base);
            // a fresh adapter changes nothing
            assertAnswers(sessions.generate(prompts, greedy, true), base);
            session.loadAdapter(adapter);
            assertAnswers(
                    sessions.generate(prompts, greedy, true),
                    lists(reference.get("adapted").get("answers")));
        }
    }

    @Test
    void promptsThatCantBeContinuedAreRefused() {
        assertRefused(Kind.INPUT, "QLORA-T024: prompt 1: it has no token", new int[] {3}, new int[0]);
        assertRefused(Kind.INPUT, "QLORA-T024: prompt 0: token 259 is outside the vocabulary of 259", new int[] {259});
        assertRefused(
                Kind.CONFIG,
                "QLORA-T025: prompt 0 has 240 tokens, with max_new_tokens 24 more than the model's"
                        + " max_position_embeddings 256",
                new int[240]);
    }

    private void assertRefused(Kind kind, String message, int[]... bad) {
        assertThatThrownBy(() -> generator.generate(List.of(bad), GenerationConfig.greedy(24), true))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContaining(message);
    }

    @Test
    void anAdapterThatIsNotThereIsRefused() {
        try (Generator bare = open(QuantizationConfig.dense(ComputeType.F32), null)) {
            assertThatThrownBy(() -> bare.generate(prompts, GenerationConfig.greedy(1), true))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-T027");
        }
    }
}
