// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.tokenize.TokenGroup;
import java.sql.Timestamp;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * How each group of a run stands: the table of groups, and on the driver what it says. Each commit replaces the run's rows. It is
 * what makes a wave count; and it names the groups of the next wave before that begins, so that one which is done again after a
 * kill has the same groups, whatever executors there are then.
 */
final class GroupStates {

    // commits of a wave
    private static final int BEGINS = 0;
    private static final int SHRINKS = 1;
    private static final int ENDS = 2;
    private static final int COMMITS = 3;

    private final JobTables tables;
    private final String runId;
    private final Map<String, GroupState> states = new TreeMap<>();
    private final Map<String, GroupWork> work = new HashMap<>();
    private int lastWave = -1;

    private GroupStates(JobTables tables, String runId) {
        this.tables = tables;
        this.runId = runId;
    }

    /**
     * Of a run's groups, as they were left; what had failed waits again.
     *
     * @param heldOut what they are measured on, by key
     */
    static GroupStates load(
            JobTables tables, String runId, JobConfig job, List<TokenGroup> groups, Map<String, TokenGroup> heldOut) {
        GroupStates all = new GroupStates(tables, runId);
        Map<String, Row> stored = new HashMap<>();
        tables.read(Table.GROUPS)
                .where(col("run_id").equalTo(runId))
                .collectAsList()
                .forEach(row -> stored.put(row.getAs("group_key"), row));
        stored.values().stream()
                .map(row -> row.<Long>getAs("wave"))
                .filter(Objects::nonNull)
                .forEach(wave -> all.lastWave = Math.max(all.lastWave, Math.toIntExact(wave)));
        groups.forEach(group -> all.add(job, group, heldOut.get(group.key()), stored.get(group.key())));
        return all;
    }

    private void add(JobConfig job, TokenGroup group, TokenGroup heldOut, Row stored) {
        try {
            GroupWork alone = GroupWork.of(job, group);
            GroupWork todo = heldOut == null ? alone : alone.measuredOn(heldOut);
            work.put(group.key(), todo);
            GroupState state = stored == null ? null : GroupState.of(stored, group);
            boolean stands = state != null && (state.is(GroupState.DONE) || state.is(GroupState.RUNNING));
            states.put(group.key(), stands ? state : GroupState.waiting(group, todo.steps()));
        } catch (QLoraException e) {
            states.put(group.key(), GroupState.refused(group, e));
        }
    }

    /** The number of the last wave that began; −1 before the first. */
    int lastWave() {
        return lastWave;
    }

    /** The work of groups of a status. */
    List<GroupWork> of(String status) {
        return states.values().stream()
                .filter(state -> state.is(status))
                .map(state -> work.get(state.group().key()))
                .toList();
    }

    int count() {
        return states.size();
    }

    int count(String status) {
        return (int) states.values().stream().filter(state -> state.is(status)).count();
    }

    /** Groups that can be trained and are never measured, since none of their rows is held out. */
    List<String> unmeasured() {
        return work.values().stream()
                .filter(each -> each.heldOut() == 0)
                .map(GroupWork::key)
                .sorted()
                .toList();
    }

    /** Steps that groups which are done have made. */
    long stepsDone() {
        return states.values().stream()
                .filter(state -> state.is(GroupState.DONE))
                .mapToLong(GroupState::steps)
                .sum();
    }

    /** Steps of all groups that can be trained. */
    static long totalSteps(JobConfig job, List<TokenGroup> groups) {
        long steps = 0;
        for (TokenGroup group : groups) {
            try {
                steps += GroupWork.of(job, group).steps();
            } catch (QLoraException e) {
                // the table of groups says why it is not trained
                continue;
            }
        }
        return steps;
    }

    /** One group that failed, for people. */
    String example() {
        return states.values().stream()
                .filter(state -> state.is(GroupState.FAILED))
                .map(state -> "'" + state.group().key() + "' (" + state.error() + ")")
                .findFirst()
                .orElse("none");
    }

    /** The first wave of a command begins. */
    void begin(List<GroupWork> groups) {
        int wave = lastWave + 1;
        running(groups);
        commit(wave, BEGINS);
    }

    private void running(List<GroupWork> groups) {
        lastWave++;
        groups.forEach(group -> states.compute(group.key(), (key, state) -> state.running(lastWave)));
    }

    /**
     * Commits that the wave is made of the groups that were trained to their end, before their adapters are committed: failures
     * are recorded, and what tasks that ended early left waits again. If the wave is done again it has these groups, whose
     * adapters are there already, and no other that might end differently then.
     */
    void shrink(int wave, List<Row> ends) {
        Map<String, Row> byKey =
                ends.stream().collect(Collectors.toMap(row -> row.<String>getAs("group_key"), Function.identity()));
        states.replaceAll((key, state) -> state.is(GroupState.RUNNING) ? shrunk(state, byKey.get(key)) : state);
        commit(wave, SHRINKS);
    }

    private static GroupState shrunk(GroupState state, Row end) {
        if (end == null) {
            return state.back();
        }
        return end.getString(0).equals(WaveRows.FAILED) ? state.ended(end) : state;
    }

    /** A wave has ended, as rows of {@link WaveRows} say; not committed yet. */
    void end(List<Row> ends) {
        ends.forEach(row -> states.compute(row.getAs("group_key"), (key, state) -> state.ended(row)));
    }

    /** Commits that a wave has ended, and that the next one begins if there is any. */
    void commitEnd(int wave, List<GroupWork> next) {
        if (!next.isEmpty()) {
            running(next);
        }
        commit(wave, ENDS);
    }

    private void commit(int wave, int which) {
        Timestamp now = new Timestamp(System.currentTimeMillis());
        List<Row> rows =
                states.values().stream().map(state -> state.row(runId, now)).toList();
        Dataset<Row> all =
                tables.spark().createDataFrame(rows, Table.GROUPS.schema()).coalesce(1);
        String appId = "spark-qlora:" + runId + ":" + Table.GROUPS.folder();
        tables.replace(Table.GROUPS, all, "run_id = '" + runId + "'", appId, (long) COMMITS * wave + which);
    }
}
