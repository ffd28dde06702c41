// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.ValidationSplit;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RowShareTest {

    private static final RowShape TEXT = new RowShape(RowShape.Kind.TEXT, "text", null);
    private static final ValidationSplit TRAINING = ValidationSplit.training(20);

    private static List<Integer> copies(RowShare share, int rows) {
        return IntStream.range(0, rows)
                .map(i -> share.of(TEXT, Map.of("text", "row " + i), "{}"))
                .boxed()
                .toList();
    }

    @Test
    void everyRowIsOnOneSide() {
        List<Integer> training = copies(new RowShare(1, TRAINING), 2000);
        List<Integer> heldOut = copies(new RowShare(1, TRAINING.heldOut()), 2000);
        assertThat(IntStream.range(0, 2000).map(i -> training.get(i) + heldOut.get(i)))
                .containsOnly(1);
        // 400 expected, standard deviation 18
        assertThat(heldOut.stream().mapToInt(Integer::intValue).sum()).isBetween(320, 480);
        assertThat(copies(new RowShare(1, TRAINING), 100)).isEqualTo(training.subList(0, 100));
    }

    @Test
    void theContentDecidesAndNothingElse() {
        RowShare share = new RowShare(1, TRAINING);
        for (int i = 0; i < 50; i++) {
            String text = "row " + i;
            int side = share.of(TEXT, Map.of("text", text), "{}");
            assertThat(share.of(TEXT, Map.of("id", i, "text", text), "{ }")).isEqualTo(side);
        }
        assertThat(share.of(TEXT, null, "no JSON")).isEqualTo(share.of(TEXT, null, "no JSON"));
    }

    @Test
    void aLargerPartHoldsASmallerOne() {
        List<Integer> few = copies(new RowShare(1, TRAINING.heldOut()), 500);
        List<Integer> many = copies(new RowShare(1, ValidationSplit.training(60).heldOut()), 500);
        assertThat(IntStream.range(0, 500).allMatch(i -> few.get(i) <= many.get(i)))
                .isTrue();
    }

    @Test
    void partsOfACopyGoToPartOfTheRows() {
        assertThat(copies(new RowShare(3, null), 10)).containsOnly(3);
        List<Integer> copies = copies(new RowShare(1.25, null), 2000);
        assertThat(copies).containsOnly(1, 2);
        assertThat(copies.stream().mapToInt(Integer::intValue).sum()).isBetween(2400, 2600);
        // which row gets one more has nothing to do with the side it is on
        List<Integer> both = copies(new RowShare(1.25, TRAINING.heldOut()), 2000);
        assertThat(both).contains(0, 1, 2);
        assertThat(both.stream().mapToInt(Integer::intValue).sum()).isBetween(400, 600);
    }

    @Test
    void aSplitHoldsSomethingOutAndSomethingBack() {
        for (double percentage : new double[] {0, 100, -1, Double.NaN}) {
            assertThatThrownBy(() -> ValidationSplit.training(percentage))
                    .hasMessage("QLORA-D058: validation_split_percentage is " + percentage
                            + ": it must be above 0 and below 100");
        }
    }
}
