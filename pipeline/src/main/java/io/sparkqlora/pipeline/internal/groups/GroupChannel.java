// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.train.StepMetrics;
import java.io.Serializable;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.SparkContext;
import org.apache.spark.util.LongAccumulator;

/**
 * Carries the ends of groups from the tasks to the driver while a wave runs: at once in local mode, on a cluster with the
 * executors' heartbeats. Nothing but the progress line depends on it. The accumulators are in Spark's UI too, where an attempt
 * that failed counts as well.
 */
final class GroupChannel implements GroupListener, Serializable, AutoCloseable {

    private static final long serialVersionUID = 1L;
    private static final Map<String, GroupCounter> IN_THIS_JVM = new ConcurrentHashMap<>();

    private final String runId;
    private final LongAccumulator tokens;
    private final LongAccumulator ended;
    private final LongAccumulator failed;
    private final transient SparkContext context;
    private final transient GroupHeartbeats heartbeats;

    private GroupChannel(String runId, SparkContext context, GroupCounter counter) {
        this.runId = runId;
        this.context = context;
        this.tokens = context.longAccumulator("tokens of " + runId);
        this.ended = context.longAccumulator("groups ended of " + runId);
        this.failed = context.longAccumulator("groups failed of " + runId);
        this.heartbeats = context.isLocal() ? null : new GroupHeartbeats(ended.id(), failed.id(), counter);
    }

    /** Opens the driver's end. */
    static GroupChannel open(SparkContext context, String runId, GroupCounter counter) {
        IN_THIS_JVM.put(runId, counter);
        GroupChannel channel = new GroupChannel(runId, context, counter);
        if (channel.heartbeats != null) {
            context.addSparkListener(channel.heartbeats);
        }
        return channel;
    }

    @Override
    public void onStep(StepMetrics metrics) {
        tokens.add(metrics.numTokens());
    }

    @Override
    public void onEnd(boolean groupFailed) {
        ended.add(1);
        failed.add(groupFailed ? 1 : 0);
        GroupCounter counter = IN_THIS_JVM.get(runId);
        if (counter != null) {
            counter.ended(groupFailed);
        }
    }

    @Override
    public void close() {
        IN_THIS_JVM.remove(runId);
        if (heartbeats != null) {
            context.removeSparkListener(heartbeats);
        }
    }
}
