// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class WaveTest {

    private static final int ROWS_PER_STEP = 2;

    @Test
    void takesTheLargestUntilThereAreStepsEnough() {
        List<GroupWork> waiting = List.of(work("a", 3), work("b", 9), work("c", 3), work("d", 1), work("e", 40));
        assertThat(keys(Wave.next(waiting, 1, 10, ROWS_PER_STEP))).containsExactly("e");
        assertThat(keys(Wave.next(waiting, 2, 10, ROWS_PER_STEP))).containsExactly("e", "b");
        assertThat(keys(Wave.next(waiting.subList(0, 4), 1, 12, ROWS_PER_STEP))).containsExactly("b", "a");
        assertThat(keys(Wave.next(waiting, 2, 100, ROWS_PER_STEP))).containsExactly("e", "b", "a", "c", "d");
        assertThat(Wave.next(List.of(), 2, 10, ROWS_PER_STEP)).isEmpty();
    }

    @Test
    void spreadsBySizeWhateverTheOrder() {
        Random random = new Random(4);
        List<GroupWork> groups = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            groups.add(work("g" + i, 1 + random.nextInt(50)));
        }
        Wave wave = Wave.of(3, groups, 7, ROWS_PER_STEP);
        assertThat(wave.number()).isEqualTo(3);
        assertThat(wave.groups()).containsExactlyInAnyOrderElementsOf(groups);
        List<Double> loads = wave.tasks().stream()
                .map(task -> task.stream()
                        .mapToDouble(group -> group.cost(ROWS_PER_STEP))
                        .sum())
                .toList();
        double most = Collections.max(loads);
        assertThat(most - Collections.min(loads)).isLessThan(most / 20);
        assertThat(wave.tasks()).allSatisfy(task -> assertThat(task)
                .isSortedAccordingTo((a, b) -> Double.compare(b.cost(ROWS_PER_STEP), a.cost(ROWS_PER_STEP))));
        List<GroupWork> shuffled = new ArrayList<>(groups);
        Collections.shuffle(shuffled, random);
        assertThat(Wave.of(3, shuffled, 7, ROWS_PER_STEP)).isEqualTo(wave);
    }

    @Test
    void hasNoMoreTasksThanGroups() {
        assertThat(Wave.of(0, List.of(work("a", 1)), 8, ROWS_PER_STEP).tasks()).hasSize(1);
    }

    @Test
    void workTravelsAsText() {
        List<GroupWork> work = List.of(
                new GroupWork("a \"b\"\n\u00e4", 1L << 40, 3, 1L << 41, 9, "{\"seed\":1}"),
                new GroupWork("", 0, 1, 2, 1, null));
        assertThat(GroupWork.parse(GroupWork.texts(work))).isEqualTo(work);
    }

    private static GroupWork work(String key, long steps) {
        return new GroupWork(key, 0, 4, 400, steps, null);
    }

    private static List<String> keys(List<GroupWork> groups) {
        return groups.stream().map(GroupWork::key).toList();
    }
}
