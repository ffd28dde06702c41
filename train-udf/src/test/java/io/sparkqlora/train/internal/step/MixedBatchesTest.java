// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.model.HostBatch;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class MixedBatchesTest {

    private static AdapterTurn turn(int slot, int... tokens) {
        List<HostBatch> batches =
                Arrays.stream(tokens).mapToObj(HostBatch::largest).toList();
        return new AdapterTurn(slot, TrainingArguments.builder().build(), 0, batches, TokenCounts.of(batches));
    }

    private static List<String> packed(int maxTokens, AdapterTurn... turns) {
        return MixedBatches.of(List.of(turns), maxTokens).batches().stream()
                .map(batch -> String.join(
                        " ",
                        batch.stream()
                                .map(member -> member.turn().slot() + "." + member.index())
                                .toList()))
                .toList();
    }

    @Test
    void asManyAsFitGoTogetherAndNoneIsCut() {
        assertThat(packed(100, turn(0, 40), turn(1, 40), turn(2, 40))).containsExactly("0.0 1.0", "2.0");
        assertThat(packed(100, turn(0, 60), turn(1, 60), turn(2, 40))).containsExactly("0.0 2.0", "1.0");
    }

    /** So that gradients are added up in the order in which the adapter alone adds them. */
    @Test
    void anAdaptersOwnStayInOrder() {
        assertThat(packed(100, turn(0, 70, 80, 20), turn(1, 20))).containsExactly("0.0 1.0", "0.1 0.2");
        assertThat(packed(100, turn(3, 90, 90), turn(5, 90, 90))).containsExactly("3.0", "5.0", "3.1", "5.1");
    }

    @Test
    void emptyOnesAreLeftOut() {
        assertThat(packed(100, turn(0, 0, 30), turn(1, 0))).containsExactly("0.1");
        assertThat(packed(100)).isEmpty();
    }
}
