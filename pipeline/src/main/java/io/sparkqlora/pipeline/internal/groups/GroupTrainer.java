// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.observe.ExecutorNumbers;
import io.sparkqlora.pipeline.internal.run.AdapterConfigJson;
import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.EvalPlan;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.SlotOutcome;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Queue;
import java.util.TreeMap;
import org.apache.spark.sql.Row;

/**
 * Trains a task's groups: as many side by side as the session has slots, and when one ends, the next one takes its slot. An
 * iterator that does as much as it is asked for, so that no more than a few groups' results are ever in memory.
 */
final class GroupTrainer implements Iterator<Row>, AutoCloseable {

    private static final double NANOS = 1e9;

    private final JobConfig config;
    private final EvalPlan evaluation;
    private final ResidentAdapters base;
    private final Iterator<GroupWork> waiting;
    private final GroupFeed feed;
    private final WaveRows rows;
    private final GroupListener listener;
    private final GroupTraining[] slots;
    private final Queue<Row> out = new ArrayDeque<>();

    GroupTrainer(
            JobConfig config,
            EvalPlan evaluation,
            ResidentAdapters base,
            List<GroupWork> groups,
            GroupFeed feed,
            WaveRows rows,
            GroupListener listener) {
        this.config = config;
        this.evaluation = evaluation;
        this.base = base;
        this.waiting = groups.iterator();
        this.feed = feed;
        this.rows = rows;
        this.listener = listener;
        this.slots = new GroupTraining[base.session().slots()];
    }

    @Override
    public boolean hasNext() {
        while (out.isEmpty() && fill()) {
            step();
        }
        return !out.isEmpty();
    }

    @Override
    public Row next() {
        if (!hasNext()) {
            throw new NoSuchElementException();
        }
        return out.remove();
    }

    /** Gives every free slot a group; false if there is none in any. */
    private boolean fill() {
        boolean any = false;
        for (int slot = 0; slot < slots.length; slot++) {
            if (slots[slot] == null && waiting.hasNext()) {
                begin(slot, waiting.next());
            }
            any |= slots[slot] != null;
        }
        return any;
    }

    private void begin(int slot, GroupWork group) {
        SpooledRows rowsOfGroup = feed.rowsOf(group);
        try {
            slots[slot] = new GroupTraining(
                    group, group.arguments(config), config.get(RunKeys.LOGGING_STEPS), rowsOfGroup, measuring(group));
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(rowsOfGroup));
        }
        base.start(slot, slots[slot].arguments());
    }

    private GroupEvaluation measuring(GroupWork group) {
        return evaluation.any() ? new GroupEvaluation(evaluation, config, feed.heldOutOf(group)) : null;
    }

    private void step() {
        Map<Integer, List<List<PackedRow>>> batches = new TreeMap<>();
        for (int slot = 0; slot < slots.length; slot++) {
            if (slots[slot] != null) {
                batches.put(slot, slots[slot].next());
            }
        }
        base.session().step(batches).forEach(this::after);
    }

    private void after(int slot, SlotOutcome outcome) {
        GroupTraining group = slots[slot];
        if (outcome.failure() != null) {
            ended(slot, rows.failed(group.key(), group.stepsDone(), outcome.failure()));
            return;
        }
        listener.onStep(outcome.metrics());
        ExecutorNumbers.step(outcome.metrics(), base.peakBytes());
        group.made(outcome.metrics())
                .ifPresent(logged -> out.add(rows.metric(group.key(), logged, group.epoch(), base.peakBytes())));
        group.due().ifPresent(due -> measure(slot, due));
        if (group.done()) {
            GroupEvaluation.Best given = group.best()
                    .orElseGet(() -> new GroupEvaluation.Best(
                            group.stepsDone(), base.session().adapter(slot)));
            String lora = AdapterConfigJson.write(given.adapter().config());
            given.adapter().tensors().forEach(tensor -> out.add(rows.adapter(group.key(), given.step(), tensor, lora)));
            ended(slot, rows.done(group.key(), group.stepsDone(), group.lastLoss(), given.step()));
        }
    }

    private void measure(int slot, GroupEvaluation due) {
        long start = System.nanoTime();
        LossSum loss = due.measure(base.session(), slot);
        double seconds = (System.nanoTime() - start) / NANOS;
        GroupTraining group = slots[slot];
        out.add(rows.evaluation(group.key(), group.stepsDone(), group.epoch(), loss, base.peakBytes(), seconds));
    }

    private void ended(int slot, Row row) {
        slots[slot].close();
        slots[slot] = null;
        out.add(row);
        listener.onEnd(row.getString(0).equals(WaveRows.FAILED));
    }

    /** Frees what groups that have not ended hold; the base stays. */
    @Override
    public void close() {
        List<AutoCloseable> open = new ArrayList<>();
        for (GroupTraining group : slots) {
            if (Objects.nonNull(group)) {
                open.add(group);
            }
        }
        Closing.all(open);
    }
}
