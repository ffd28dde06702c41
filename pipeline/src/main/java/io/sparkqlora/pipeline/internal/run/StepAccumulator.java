// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.StepMetrics;
import java.util.Arrays;
import org.apache.spark.util.AccumulatorV2;

/** Holds the numbers of the last step: step, loss, learning rate, gradient norm, tokens, counted tokens, seconds. */
final class StepAccumulator extends AccumulatorV2<StepMetrics, double[]> {

    private static final long serialVersionUID = 1L;
    private static final int LENGTH = 7;

    // written by the task's thread, read by the heartbeat's
    private volatile double[] last = new double[LENGTH];

    static StepMetrics metrics(double[] values) {
        return new StepMetrics(
                (long) values[0], values[1], values[2], values[3], (long) values[4], (long) values[5], values[6]);
    }

    @Override
    public void add(StepMetrics m) {
        last = new double[] {
            m.step(), m.loss(), m.learningRate(), m.gradNorm(), m.numTokens(), m.numTargetTokens(), m.seconds()
        };
    }

    @Override
    public boolean isZero() {
        return last[0] == 0;
    }

    @Override
    public AccumulatorV2<StepMetrics, double[]> copy() {
        StepAccumulator copy = new StepAccumulator();
        copy.last = last.clone();
        return copy;
    }

    @Override
    public void reset() {
        last = new double[LENGTH];
    }

    @Override
    public void merge(AccumulatorV2<StepMetrics, double[]> other) {
        if (other.value()[0] > last[0]) {
            last = Arrays.copyOf(other.value(), LENGTH);
        }
    }

    @Override
    public double[] value() {
        return last;
    }
}
