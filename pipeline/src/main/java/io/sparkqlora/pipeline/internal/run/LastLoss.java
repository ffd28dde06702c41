// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.StepMetrics;
import org.apache.spark.util.AccumulatorV2;

/** The loss of the last step, for the UI's tables of accumulators. */
final class LastLoss extends AccumulatorV2<StepMetrics, Double> {

    private static final long serialVersionUID = 1L;

    // written by the task's thread, read by the heartbeat's
    private volatile long step;
    private volatile double loss;

    @Override
    public void add(StepMetrics metrics) {
        step = metrics.step();
        loss = metrics.loss();
    }

    @Override
    public boolean isZero() {
        return step == 0;
    }

    @Override
    public AccumulatorV2<StepMetrics, Double> copy() {
        LastLoss copy = new LastLoss();
        copy.step = step;
        copy.loss = loss;
        return copy;
    }

    @Override
    public void reset() {
        step = 0;
        loss = 0;
    }

    @Override
    public void merge(AccumulatorV2<StepMetrics, Double> other) {
        if (other instanceof LastLoss later && later.step > step) {
            step = later.step;
            loss = later.loss;
        }
    }

    @Override
    public Double value() {
        return loss;
    }
}
