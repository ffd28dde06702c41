// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.RopeParameters;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Expected values are transformers 5.18.0's {@code inv_freq}; see src/test/python/rope_reference.py. */
class RopeFrequenciesTest {

    @Test
    void unscaled() {
        check(RopeParameters.unscaled(10000), UNSCALED);
    }

    @Test
    void linearDividesEveryFrequency() {
        float[] expected = new float[UNSCALED.length];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = UNSCALED[i] / 2.5f;
        }
        check(new RopeParameters(RopeParameters.LINEAR, 10000, 2.5, 0, 0, 0), expected);
    }

    @Test
    void llama3KeepsShortWavesAndSlowsLongOnes() {
        check(RopeParameters.llama3(500000, 8, 1, 4, 64), LLAMA3);
    }

    @Test
    void anotherTypeIsRefused() {
        assertThatThrownBy(() -> new RopeFrequencies(new RopeParameters("ntk", 1e4, 0, 0, 0, 0), 16).inverse())
                .hasMessageStartingWith("QLORA-T058: rope_type ntk is not supported");
    }

    private static RopeParameters parsed(String rope) {
        return ModelConfig.parse(
                        "{\"model_type\": \"llama\", \"head_dim\": 16, \"max_position_embeddings\": 32768, \"rope_parameters\": {"
                                + rope + "}}",
                        "c.json")
                .rope();
    }

    private static void factor(RopeParameters rope, double expected) {
        assertThat(rope.attentionFactor()).isCloseTo(expected, within(1e-12));
    }

    @Test
    void yarnKeepsShortWavesAndSlowsLongOnes() {
        RopeParameters qwen = parsed("\"rope_type\": \"yarn\", \"rope_theta\": 1e6, \"factor\": 4.0,"
                + " \"original_max_position_embeddings\": 32768");
        factor(qwen, 1.138629436111989);
        check(
                qwen,
                1f,
                0.177827939f,
                0.0316227786f,
                0.00421755994f,
                0.000500000024f,
                4.44569851e-05f,
                7.90569356e-06f,
                1.40585337e-06f);
        RopeParameters ramp = parsed(
                "\"rope_type\": \"yarn\", \"rope_theta\": 1e4, \"factor\": 8, \"beta_fast\": 16, \"beta_slow\": 2,"
                        + " \"original_max_position_embeddings\": 2048, \"truncate\": false, \"mscale\": 0.7, \"mscale_all_dim\": 0.4");
        factor(ramp, 1.0575928109100559);
        check(
                ramp,
                1f,
                0.316227764f,
                0.100000001f,
                0.0257716179f,
                0.00330522214f,
                0.000395284733f,
                0.000125000006f,
                3.95284733e-05f);
        RopeParameters given =
                parsed("\"rope_type\": \"yarn\", \"rope_theta\": 1e4, \"factor\": 40, \"attention_factor\": 0.9,"
                        + " \"original_max_position_embeddings\": 4096");
        factor(given, 0.9);
        check(
                given,
                1f,
                0.316227764f,
                0.100000001f,
                0.0239147246f,
                0.00512499968f,
                0.000849862176f,
                2.49999994e-05f,
                7.90569447e-06f);
    }

    @Test
    void longRopeDividesEachByItsOwn() {
        String common = "\"rope_type\": \"longrope\", \"rope_theta\": 1e4, \"original_max_position_embeddings\": 4096,"
                + " \"short_factor\": [1.0, 1.02, 1.05, 1.1, 1.25, 1.4, 1.7, 2.0],"
                + " \"long_factor\": [1.0, 1.3, 1.9, 2.8, 4.1, 5.5, 6.9, 8.0]";
        RopeParameters rope = parsed(common);
        factor(rope, 1.118033988749895);
        factor(parsed(common + ", \"factor\": 3"), 1.0639925791063722);
        factor(parsed(common + ", \"attention_factor\": 1.25"), 1.25);
        check(
                rope,
                1f,
                0.310027212f,
                0.095238097f,
                0.0287479796f,
                0.00800000038f,
                0.00225876993f,
                0.000588235271f,
                0.000158113893f);
        check(
                new RopeFrequencies(rope, 16).inverseLong(),
                1f,
                0.243252128f,
                0.0526315793f,
                0.011293849f,
                0.00243902439f,
                0.000574959558f,
                0.00014492753f,
                3.95284733e-05f);
    }

    private static void check(RopeParameters rope, float... expected) {
        check(new RopeFrequencies(rope, 2 * expected.length).inverse(), expected);
    }

    private static void check(float[] actual, float... expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i]).as("frequency " + i).isCloseTo(expected[i], Percentage.withPercentage(2e-5));
        }
    }

    private static final float[] UNSCALED = {
        1f, 0.316227764f, 0.100000001f, 0.0316227786f, 0.00999999978f, 0.00316227786f, 0.00100000005f, 0.000316227786f
    };
    private static final float[] LLAMA3 = {
        1f,
        0.079403013f,
        0.00470075384f,
        0.000911583134f,
        0.000176776681f,
        3.42810235e-05f,
        6.64786967e-06f,
        1.28917316e-06f
    };
}
