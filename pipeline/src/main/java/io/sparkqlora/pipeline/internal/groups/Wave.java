// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * One Spark job of a run of groups.
 *
 * @param number of the job within the run, from 0
 * @param tasks the groups of each task, in the order in which they are begun
 */
record Wave(int number, List<List<GroupWork>> tasks) {

    /** A task with what it has got. */
    private record Load(int task, double cost) {}

    /**
     * Which groups come next: the largest, until there are steps enough for everybody to go on for about as long as a commit
     * may lose.
     *
     * @param waiting groups that are left
     * @param atOnce groups that are trained side by side, on all devices
     * @param saveSteps steps of each between two commits
     * @param rowsPerStep of a full step
     */
    static List<GroupWork> next(List<GroupWork> waiting, int atOnce, long saveSteps, int rowsPerStep) {
        List<GroupWork> chosen = new ArrayList<>();
        long steps = 0;
        for (GroupWork group : bySize(waiting, rowsPerStep)) {
            if (chosen.size() >= atOnce && steps + group.steps() > saveSteps * atOnce) {
                break;
            }
            chosen.add(group);
            steps += group.steps();
        }
        return chosen;
    }

    /**
     * Spreads groups over tasks: the largest first, each to the task that has least (Graham, 1969: at most 4/3 of the best). The
     * same groups and the same number of tasks give the same wave.
     */
    static Wave of(int number, List<GroupWork> groups, int slots, int rowsPerStep) {
        int count = Math.max(1, Math.min(slots, groups.size()));
        List<List<GroupWork>> tasks = new ArrayList<>();
        PriorityQueue<Load> loads =
                new PriorityQueue<>(Comparator.comparingDouble(Load::cost).thenComparingInt(Load::task));
        for (int task = 0; task < count; task++) {
            tasks.add(new ArrayList<>());
            loads.add(new Load(task, 0));
        }
        for (GroupWork group : bySize(groups, rowsPerStep)) {
            Load least = loads.remove();
            tasks.get(least.task()).add(group);
            loads.add(new Load(least.task(), least.cost() + group.cost(rowsPerStep)));
        }
        return new Wave(number, tasks);
    }

    private static List<GroupWork> bySize(List<GroupWork> groups, int rowsPerStep) {
        return groups.stream()
                .sorted(Comparator.comparingDouble((GroupWork group) -> -group.cost(rowsPerStep))
                        .thenComparing(GroupWork::key))
                .toList();
    }

    /** Its groups. */
    List<GroupWork> groups() {
        return tasks.stream().flatMap(List::stream).toList();
    }
}
