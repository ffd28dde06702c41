// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.observe.RunLog;
import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import java.io.File;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction2;
import org.apache.spark.sql.Row;
import org.apache.spark.util.TaskCompletionListener;

/**
 * What an executor does in a wave: train its groups. What fails for one group is a row of the result, and so is what fails for
 * all of them and another attempt would repeat; any other exception fails the task, which Spark tries again.
 *
 * @param run the run
 * @param wave number of the job within the run
 * @param last whether the base is not needed afterwards
 * @param channel hears of groups
 */
record WaveTask(GroupRunSpec run, int wave, boolean last, GroupChannel channel)
        implements FlatMapFunction2<Iterator<Row>, Iterator<String>, Row>, Serializable {

    private static final long serialVersionUID = 1L;

    @Override
    public Iterator<Row> call(Iterator<Row> tokenRows, Iterator<String> groups) {
        int task = TaskContext.getPartitionId();
        RunLog log = RunLog.open(run.runId(), wave, task);
        TaskContext.get().addTaskCompletionListener((TaskCompletionListener) context -> log.close());
        List<GroupWork> work = new ArrayList<>();
        groups.forEachRemaining(texts -> work.addAll(GroupWork.parse(texts)));
        WaveRows rows = new WaveRows(task);
        try {
            Attempt attempt = new Attempt(this, ResidentAdapters.acquire(run), work, tokenRows, rows);
            TaskContext.get().addTaskCompletionListener((TaskCompletionListener) context -> attempt.close());
            return attempt;
        } catch (QLoraException e) {
            return List.of(rows.taskFailed(e)).iterator();
        }
    }

    /** The rows of a task until all its groups have ended or the task has; then the base is free for the next wave. */
    private static final class Attempt implements Iterator<Row>, AutoCloseable {

        private final WaveTask task;
        private final WaveRows rows;
        private final GroupTrainer trainer;
        private ResidentAdapters base;
        private Row failure;

        Attempt(WaveTask task, ResidentAdapters base, List<GroupWork> work, Iterator<Row> tokenRows, WaveRows rows) {
            this.task = task;
            this.rows = rows;
            this.base = base;
            JobConfig config = ConfigJson.read(task.run().configJson());
            GroupFeed feed = new GroupFeed(task.run(), tokenRows, Attempt::file);
            this.trainer = new GroupTrainer(config, task.run().evaluation(), base, work, feed, rows, task.channel());
        }

        /** In Spark's own folder for what is only passing. */
        private static File file() {
            return SparkEnv.get()
                    .blockManager()
                    .diskBlockManager()
                    .createTempLocalBlock()
                    ._2();
        }

        @Override
        public boolean hasNext() {
            if (base == null) {
                return failure != null;
            }
            TaskContext.get().killTaskIfInterrupted();
            try {
                boolean more = trainer.hasNext();
                if (!more) {
                    release();
                }
                return more;
            } catch (QLoraException e) {
                failure = rows.taskFailed(e);
                close();
                return true;
            }
        }

        @Override
        public Row next() {
            if (hasNext() && failure == null) {
                return trainer.next();
            }
            Row row = failure;
            failure = null;
            return row;
        }

        private void release() {
            ResidentAdapters whole = base;
            if (task.last()) {
                close();
            } else {
                base = null;
                ResidentSessions.release(whole);
            }
        }

        /** Before the end, the base goes too: another attempt may find it in any state. */
        @Override
        public void close() {
            if (base != null) {
                ResidentAdapters whole = base;
                base = null;
                Closing.all(List.of(whole, trainer));
            }
        }
    }
}
