// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import java.util.HashMap;
import java.util.Map;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerJobStart;
import scala.jdk.javaapi.CollectionConverters;

/** Takes how many groups have ended out of the executors' heartbeats. */
final class GroupHeartbeats extends SparkListener {

    private final long endedId;
    private final long failedId;
    private final GroupCounter counter;
    private final Map<Long, Long> ended = new HashMap<>();
    private final Map<Long, Long> failed = new HashMap<>();

    GroupHeartbeats(long endedId, long failedId, GroupCounter counter) {
        this.endedId = endedId;
        this.failedId = failedId;
        this.counter = counter;
    }

    /** A wave's tasks are its first job's; what is said of others is over. */
    @Override
    public void onJobStart(SparkListenerJobStart event) {
        ended.clear();
        failed.clear();
    }

    @Override
    public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate event) {
        int before = ended.hashCode();
        CollectionConverters.asJava(event.accumUpdates()).forEach(task -> CollectionConverters.asJava(task._4())
                .forEach(info -> update((Long) task._1(), info)));
        if (ended.hashCode() != before) {
            int lost = sum(failed);
            counter.since(sum(ended) - lost, lost);
        }
    }

    private void update(long task, AccumulableInfo info) {
        if (info.update().isDefined() && info.update().get() instanceof Long value) {
            if (info.id() == endedId) {
                ended.put(task, value);
            } else if (info.id() == failedId) {
                failed.put(task, value);
            }
        }
    }

    private static int sum(Map<Long, Long> counts) {
        return (int) counts.values().stream().mapToLong(Long::longValue).sum();
    }
}
