// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BasePartsTest {

    @Test
    void ranksThatHaveNothingTakeThePartsInOrder() {
        assertThat(BaseParts.assign(new int[] {-1, -1, -1})).containsExactly(0, 1, 2);
    }

    @Test
    void whatIsInMemoryStaysThere() {
        assertThat(BaseParts.assign(new int[] {2, 0, 1})).containsExactly(2, 0, 1);
        assertThat(BaseParts.assign(new int[] {-1, 3, -1, 0})).containsExactly(1, 3, 2, 0);
    }

    @Test
    void ofTwoRanksWithTheSamePartTheSecondLoadsAnother() {
        assertThat(BaseParts.assign(new int[] {1, 1, 7})).containsExactly(1, 0, 2);
    }

    @Test
    void nobodyLoadsAnythingWhereEachRankHasABaseOrAPartOfItsOwn() {
        assertThat(BaseParts.complete(new int[] {0, 0, 0}, false)).isTrue();
        assertThat(BaseParts.complete(new int[] {0, -1, 0}, false)).isFalse();
        assertThat(BaseParts.complete(new int[] {2, 0, 1}, true)).isTrue();
        assertThat(BaseParts.complete(new int[] {2, 0, 2}, true)).isFalse();
        assertThat(BaseParts.complete(new int[] {2, 0, -1}, true)).isFalse();
    }
}
