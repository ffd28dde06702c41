// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.GenerationConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class TokenPickerTest {

    private static float[] floats(JsonNode array) {
        float[] values = new float[array.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) array.get(i).asDouble();
        }
        return values;
    }

    /** The resource is made by src/test/python/sampling_reference.py. */
    @Test
    void warpersAreThoseOfTransformers() throws IOException {
        JsonNode cases = new ObjectMapper()
                .readTree(Path.of("src/test/resources/generation/warpers.json").toFile());
        assertThat(cases).hasSize(6);
        for (JsonNode one : cases) {
            TokenPicker picker = new TokenPicker(GenerationConfig.builder()
                    .doSample(true)
                    .temperature(one.get("temperature").asDouble())
                    .topK(one.get("top_k").asInt())
                    .topP(one.get("top_p").asDouble())
                    .build());
            float[] logits = floats(one.get("logits"));
            float max = Float.NEGATIVE_INFINITY;
            for (float logit : logits) {
                max = Math.max(max, logit);
            }
            double[] weights = picker.weights(logits, max);
            double sum = Arrays.stream(weights).sum();
            for (int i = 0; i < weights.length; i++) {
                assertThat(weights[i] / sum)
                        .as("token %d of %s", i, one)
                        .isCloseTo(one.get("probabilities").get(i).asDouble(), within(1e-6));
            }
        }
    }

    @Test
    void greedyTakesTheFirstOfTheLikeliest() {
        TokenPicker picker = new TokenPicker(GenerationConfig.greedy(1));
        assertThat(picker.pick(new float[] {-1, 3, 3, 2}, 0, 0)).isEqualTo(1);
    }

    @Test
    void drawsFollowTheProbabilitiesAndTheSeedOnly() {
        GenerationConfig config =
                GenerationConfig.builder().doSample(true).topK(0).seed(5).build();
        TokenPicker picker = new TokenPicker(config);
        float[] logits = {(float) Math.log(0.5), (float) Math.log(0.3), (float) Math.log(0.2)};
        int[] counts = new int[3];
        for (int i = 0; i < 20_000; i++) {
            int token = picker.pick(logits, i % 100, i / 100);
            counts[token]++;
            assertThat(new TokenPicker(config).pick(logits, i % 100, i / 100)).isEqualTo(token);
        }
        assertThat(counts[0] / 20_000.0).isCloseTo(0.5, within(0.015));
        assertThat(counts[1] / 20_000.0).isCloseTo(0.3, within(0.015));
        TokenPicker other = new TokenPicker(
                GenerationConfig.builder().doSample(true).topK(0).seed(6).build());
        long different = 0;
        for (int i = 0; i < 1000; i++) {
            different += picker.pick(logits, 0, i) == other.pick(logits, 0, i) ? 0 : 1;
        }
        assertThat(different).isBetween(500L, 740L);
    }

    @Test
    void logitsThatAreNoNumbersAreRefused() {
        TokenPicker picker = new TokenPicker(GenerationConfig.greedy(1));
        assertThatThrownBy(() -> picker.pick(new float[] {0, Float.NaN}, 3, 4))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INPUT))
                .hasMessageContaining("QLORA-T026: prompt 3, new token 5: a logit is NaN");
        assertThatThrownBy(() -> picker.pick(new float[] {0, Float.POSITIVE_INFINITY}, 0, 0))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("a logit is Infinity");
    }

    @Test
    void optionsOutOfRangeOrWithoutEffectAreRefused() {
        assertConfigError(GenerationConfig.builder().maxNewTokens(0), "max_new_tokens is 0, expected at least 1");
        assertConfigError(GenerationConfig.builder().doSample(true).temperature(0), "temperature is 0.0");
        assertConfigError(GenerationConfig.builder().doSample(true).topK(-1), "top_k is -1");
        assertConfigError(GenerationConfig.builder().doSample(true).topP(1.5), "top_p is 1.5");
        assertConfigError(GenerationConfig.builder().batchSize(0), "batch size is 0");
        assertConfigError(GenerationConfig.builder().temperature(0.5), "do_sample is false, expected true, since");
    }

    private static void assertConfigError(GenerationConfig.Builder builder, String message) {
        assertThatThrownBy(builder::build)
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFIG))
                .hasMessageContaining(message);
    }
}
