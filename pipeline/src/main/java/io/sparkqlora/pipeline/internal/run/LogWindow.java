// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * Steps since the last logged one. What it holds is part of the training state, since a chunk may end between two logged
 * steps.
 */
public final class LogWindow {

    /** Name of the tensor in which it is kept. */
    static final String NAME = "log_window";

    private static final int LENGTH = 5;

    private final int loggingSteps;
    private final long lastStep;
    private double lossSum;
    private double steps;
    private double numTokens;
    private double numTargetTokens;
    private double seconds;

    /** Logs every so many steps, and the run's last one. */
    public LogWindow(int loggingSteps, long lastStep) {
        this.loggingSteps = loggingSteps;
        this.lastStep = lastStep;
    }

    /** Takes a step in; gives the row's metrics if it is a logged one: mean loss, sums of tokens and seconds. */
    public Optional<StepMetrics> add(StepMetrics step) {
        lossSum += step.loss();
        steps++;
        numTokens += step.numTokens();
        numTargetTokens += step.numTargetTokens();
        seconds += step.seconds();
        boolean logged = step.step() % loggingSteps == 0 || step.step() == lastStep;
        return logged ? Optional.of(flush(step)) : Optional.empty();
    }

    private StepMetrics flush(StepMetrics last) {
        StepMetrics logged = new StepMetrics(
                last.step(),
                lossSum / steps,
                last.learningRate(),
                last.gradNorm(),
                (long) numTokens,
                (long) numTargetTokens,
                seconds);
        restore(new double[LENGTH]);
        return logged;
    }

    NamedTensor state() {
        ByteBuffer data = ByteBuffer.allocate(LENGTH * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        List.of(lossSum, steps, numTokens, numTargetTokens, seconds).forEach(data::putDouble);
        return new NamedTensor(NAME, DType.F64, new long[] {LENGTH}, data.array());
    }

    void restore(NamedTensor state) {
        double[] values = new double[LENGTH];
        ByteBuffer.wrap(state.data())
                .order(ByteOrder.LITTLE_ENDIAN)
                .asDoubleBuffer()
                .get(values);
        restore(values);
    }

    private void restore(double[] values) {
        lossSum = values[0];
        steps = values[1];
        numTokens = values[2];
        numTargetTokens = values[3];
        seconds = values[4];
    }
}
