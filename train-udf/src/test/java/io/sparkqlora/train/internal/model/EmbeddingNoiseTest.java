// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class EmbeddingNoiseTest {

    /** alpha / √(L · d) of the token's own sequence, whatever it is packed with. */
    @Test
    void goesAsFarAsTheSequenceSays() {
        int[] bounds = EmbeddingNoise.bounds(List.of(part(5f, 4, 1), part(0f, 2), part(10f, 9)), 64);
        assertThat(bounds).hasSize(16);
        for (int i = 0; i < 16; i++) {
            double expected = i < 4 ? 5 / 16.0 : i == 4 ? 5 / 8.0 : i < 7 ? 0 : 10 / 24.0;
            assertThat(Float.intBitsToFloat(bounds[i])).as("token %d", i).isEqualTo((float) expected);
        }
        assertThat(EmbeddingNoise.bounds(List.of(part(0f, 4)), 64)).isEmpty();
    }

    private static BatchPart part(float alpha, int... lengths) {
        int tokens = Arrays.stream(lengths).sum();
        PackedRow row = new PackedRow(0, new int[tokens], new int[tokens], lengths);
        DropoutMasks.Draw draw = alpha == 0 ? null : new DropoutMasks.Draw(0f, alpha, 1, 0, 0);
        return new BatchPart(HostBatch.of(List.of(row), 10), null, draw, 0f, 1f, null);
    }
}
