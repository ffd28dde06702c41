// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.internal.model.RopeTables;
import java.util.List;
import org.junit.jupiter.api.Test;

class PassInputTest {

    private static final int[] LONG = {10, 11, 12, 13, 14, 15, 16};
    private static final RopeTables ROPE = new RopeTables(null, null, 5);
    private static final CacheSlots SLOTS = CacheSlots.of(List.of(new int[3], new int[2], new int[4]), 3);

    @Test
    void eachPromptHasRoomForAllButTheLastNewToken() {
        assertThat(SLOTS.starts()).containsExactly(0, 5, 9, 15);
    }

    @Test
    void segmentsLieSideBySideAndTheCachesOtherRowsArePassedOver() {
        PassInput input = PassInput.of(
                SLOTS, ROPE, List.of(new Segment(0, 1, LONG, 2, 3, true), new Segment(2, 3, LONG, 1, 4, true)));
        assertThat(input.inputIds()).containsExactly(11, 12, 13);
        assertThat(input.ropeRows()).containsExactly(1, 2, 3);
        assertThat(input.cacheRows()).containsExactly(1, 2, 12);
        assertThat(input.queryStarts()).containsExactly(0, 2, 2, 3, 3);
        assertThat(input.keyStarts()).containsExactly(0, 3, 9, 13, 15);
        assertThat(input.lastRows()).containsExactly(1, 2);
    }

    @Test
    void aSlotThatIsFullOrNotTheFirstNeedsNoOrAnEarlierGap() {
        PassInput full = PassInput.of(
                SLOTS, ROPE, List.of(new Segment(1, 0, LONG, 4, 6, false), new Segment(2, 0, LONG, 6, 6, true)));
        assertThat(full.queryStarts()).containsExactly(0, 0, 4, 10);
        assertThat(full.keyStarts()).containsExactly(0, 5, 9, 15);
        assertThat(full.lastRows()).containsExactly(9);
        assertThat(full.ropeRows())
                .as("sequences of 6 tokens, where those over 5 have rows of their own")
                .containsExactly(5, 6, 7, 8, 5, 6, 7, 8, 9, 10);
    }
}
