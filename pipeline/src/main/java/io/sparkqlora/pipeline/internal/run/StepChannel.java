// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.StepMetrics;
import java.io.Serializable;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.SparkContext;
import org.apache.spark.util.LongAccumulator;

/**
 * Carries each step from the task to the driver while the chunk runs. In local mode they share a JVM and the listener is
 * called at once; on a cluster the last step goes along with the executor's heartbeat (spark.executor.heartbeatInterval,
 * 10 s), in an accumulator. Nothing but the progress line depends on it. Two more accumulators are for the UI, which shows
 * them with each stage: tokens and loss of the run so far. An attempt that failed counts there as well.
 */
final class StepChannel implements Serializable, AutoCloseable {

    private static final long serialVersionUID = 1L;
    private static final Map<String, StepListener> IN_THIS_JVM = new ConcurrentHashMap<>();

    private final String runId;
    private final LongAccumulator tokens;
    private final LastLoss loss = new LastLoss();
    private final StepAccumulator accumulator;
    private final transient SparkContext context;
    private final transient HeartbeatSteps heartbeats;

    private StepChannel(String runId, SparkContext context, StepAccumulator accumulator, HeartbeatSteps heartbeats) {
        this.runId = runId;
        this.context = context;
        this.accumulator = accumulator;
        this.heartbeats = heartbeats;
        this.tokens = context.longAccumulator("tokens of " + runId);
        context.register(loss, "loss of " + runId);
    }

    /** Opens the driver's end. */
    static StepChannel open(SparkContext context, String runId, StepListener listener) {
        IN_THIS_JVM.put(runId, listener);
        if (context.isLocal()) {
            return new StepChannel(runId, context, null, null);
        }
        StepAccumulator accumulator = new StepAccumulator();
        context.register(accumulator, "spark-qlora step of " + runId);
        HeartbeatSteps heartbeats = new HeartbeatSteps(accumulator.id(), listener);
        context.addSparkListener(heartbeats);
        return new StepChannel(runId, context, accumulator, heartbeats);
    }

    /** The task's end: a step is done. */
    void send(StepMetrics metrics) {
        tokens.add(metrics.numTokens());
        loss.add(metrics);
        StepListener listener = IN_THIS_JVM.get(runId);
        if (listener != null) {
            listener.onStep(metrics);
        } else if (accumulator != null) {
            accumulator.add(metrics);
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
