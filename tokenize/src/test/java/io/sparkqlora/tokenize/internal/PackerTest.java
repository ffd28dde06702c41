// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class PackerTest {

    record Problem(int[] lengths, int capacity) {
        @Override
        public String toString() {
            return Arrays.toString(lengths) + " in " + capacity;
        }
    }

    @Provide
    Arbitrary<Problem> problems() {
        return Arbitraries.integers().between(1, 300).flatMap(capacity -> Combinators.combine(
                        Arbitraries.integers()
                                .between(1, capacity)
                                .array(int[].class)
                                .ofMaxSize(200),
                        Arbitraries.just(capacity))
                .as(Problem::new));
    }

    @Property
    void everySequenceAppearsOnceAndNoRowOverflows(@ForAll("problems") Problem problem) {
        List<int[]> rows = Packer.pack(problem.lengths, problem.capacity);
        assertThat(rows.stream().flatMapToInt(Arrays::stream).sorted().toArray())
                .isEqualTo(IntStream.range(0, problem.lengths.length).toArray());
        assertThat(rows).allSatisfy(row -> assertThat(filled(row, problem)).isBetween(1, problem.capacity));
    }

    @Property
    void isWithinJohnsonsBound(@ForAll("problems") Problem problem) {
        int fewest = lowerBound(problem);
        assertThat(Packer.pack(problem.lengths, problem.capacity).size())
                .isBetween(fewest, (int) Math.floor(11.0 / 9 * fewestBy(problem) + 4));
    }

    @Property
    void noTwoRowsCouldBeOne(@ForAll("problems") Problem problem) {
        int[] filled = Packer.pack(problem.lengths, problem.capacity).stream()
                .mapToInt(row -> filled(row, problem))
                .sorted()
                .toArray();
        if (filled.length > 1) {
            assertThat(filled[0] + filled[1]).isGreaterThan(problem.capacity);
        }
    }

    @Property
    void isDeterministic(@ForAll("problems") Problem problem) {
        assertThat(Packer.pack(problem.lengths.clone(), problem.capacity))
                .usingRecursiveComparison()
                .isEqualTo(Packer.pack(problem.lengths, problem.capacity));
    }

    @Test
    void takesTheTightestRow() {
        assertThat(Packer.pack(new int[] {2, 7, 5, 3, 3}, 10)).containsExactly(new int[] {1, 3}, new int[] {2, 4, 0});
    }

    @Test
    void fillsRowsOfManyShortSequences() {
        int[] lengths = IntStream.range(0, 5000).map(i -> 20 + i * 7919 % 300).toArray();
        int tokens = Arrays.stream(lengths).sum();
        assertThat((double) tokens / (1024.0 * Packer.pack(lengths, 1024).size()))
                .isGreaterThan(0.99);
    }

    @Test
    void refusesWhatNoRowCanHold() {
        assertThatThrownBy(() -> Packer.pack(new int[] {11}, 10)).hasMessage("a sequence of 11 tokens in rows of 10");
        assertThatThrownBy(() -> Packer.pack(new int[] {0}, 10)).hasMessage("a sequence of 0 tokens in rows of 10");
    }

    private static int filled(int[] row, Problem problem) {
        return Arrays.stream(row).map(index -> problem.lengths[index]).sum();
    }

    private static int lowerBound(Problem problem) {
        return (Arrays.stream(problem.lengths).sum() + problem.capacity - 1) / problem.capacity;
    }

    /** A packing that some simpler method finds, so no fewer rows than the best: next fit of the sequences as they come. */
    private static int fewestBy(Problem problem) {
        int rows = 0;
        int room = 0;
        for (int length : problem.lengths) {
            if (length > room) {
                rows++;
                room = problem.capacity;
            }
            room -= length;
        }
        return rows;
    }
}
