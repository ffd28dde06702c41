// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.PreferenceMetrics;
import io.sparkqlora.train.StepMetrics;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
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

    /** With those of pairs. */
    private static final int PAIR_LENGTH = LENGTH + PreferenceMetrics.COUNT;

    private final int loggingSteps;
    private final long lastStep;
    private double lossSum;
    private double steps;
    private double numTokens;
    private double numTargetTokens;
    private double seconds;
    private double[] preference; // sums; null where no step was over pairs

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
        if (step.preference() != null) {
            add(step.preference().values());
        }
        boolean logged = step.step() % loggingSteps == 0 || step.step() == lastStep;
        return logged ? Optional.of(flush(step)) : Optional.empty();
    }

    private void add(List<Double> values) {
        preference = preference == null ? new double[values.size()] : preference;
        for (int i = 0; i < preference.length; i++) {
            preference[i] += values.get(i);
        }
    }

    private PreferenceMetrics meanPreference() {
        return preference == null
                ? null
                : PreferenceMetrics.of(Arrays.stream(preference)
                        .map(sum -> sum / steps)
                        .boxed()
                        .toList());
    }

    private StepMetrics flush(StepMetrics last) {
        StepMetrics logged = new StepMetrics(
                last.step(),
                lossSum / steps,
                last.learningRate(),
                last.gradNorm(),
                (long) numTokens,
                (long) numTargetTokens,
                seconds,
                meanPreference(),
                last.lossScale());
        restore(new double[LENGTH]);
        return logged;
    }

    NamedTensor state() {
        int length = preference == null ? LENGTH : PAIR_LENGTH;
        ByteBuffer data = ByteBuffer.allocate(length * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        List.of(lossSum, steps, numTokens, numTargetTokens, seconds).forEach(data::putDouble);
        for (int i = LENGTH; i < length; i++) {
            data.putDouble(preference[i - LENGTH]);
        }
        return new NamedTensor(NAME, DType.F64, new long[] {length}, data.array());
    }

    void restore(NamedTensor state) {
        double[] values = new double[state.data().length / Double.BYTES];
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
        preference = values.length == LENGTH ? null : Arrays.copyOfRange(values, LENGTH, values.length);
    }
}
