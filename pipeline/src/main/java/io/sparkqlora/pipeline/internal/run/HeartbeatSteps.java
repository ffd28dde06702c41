// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import scala.jdk.javaapi.CollectionConverters;

/** Takes the last step out of the executors' heartbeats. */
final class HeartbeatSteps extends SparkListener {

    private final long accumulatorId;
    private final StepListener listener;
    private double lastStep;

    HeartbeatSteps(long accumulatorId, StepListener listener) {
        this.accumulatorId = accumulatorId;
        this.listener = listener;
    }

    @Override
    public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate event) {
        CollectionConverters.asJava(event.accumUpdates())
                .forEach(task -> CollectionConverters.asJava(task._4()).forEach(this::update));
    }

    private void update(AccumulableInfo info) {
        if (info.id() == accumulatorId
                && info.update().isDefined()
                && info.update().get() instanceof double[] values
                && values[0] > lastStep) {
            lastStep = values[0];
            listener.onStep(StepAccumulator.metrics(values));
        }
    }
}
