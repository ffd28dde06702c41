// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.train.RopeParameters;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Expected values are transformers 5.18.0's {@code inv_freq}. */
class RopeTablesTest {

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
        assertThatThrownBy(() -> RopeTables.inverseFrequencies(new RopeParameters("yarn", 1e4, 0, 0, 0, 0), 16))
                .hasMessageStartingWith("QLORA-T058: rope_type yarn is not supported");
    }

    private static void check(RopeParameters rope, float... expected) {
        float[] actual = RopeTables.inverseFrequencies(rope, 2 * expected.length);
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
