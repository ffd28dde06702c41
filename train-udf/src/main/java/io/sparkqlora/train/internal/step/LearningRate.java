// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.TrainingArguments;
import java.util.Map;

/**
 * The learning rate by step, with the values of transformers' {@code get_scheduler}.
 *
 * @param type shape of the curve
 * @param kwargs its options, by transformers' names; what is not there has transformers' default
 * @param top its highest value
 * @param warmup steps of linear rise from 0
 * @param total steps of the run
 */
public record LearningRate(LrSchedulerType type, Map<String, Double> kwargs, double top, long warmup, long total) {

    private static final double DEFAULT_LR_END = 1e-7;
    private static final double DEFAULT_TIMESCALE = 10_000;

    /** The schedule of a run of {@code arguments.maxSteps()} steps. */
    public static LearningRate of(TrainingArguments arguments) {
        long total = arguments.maxSteps();
        return new LearningRate(
                arguments.lrSchedulerType(),
                arguments.lrSchedulerKwargs(),
                arguments.learningRate(),
                arguments.effectiveWarmupSteps(total),
                total);
    }

    /** The rate of the update that {@code stepsDone} updates came before. */
    public double at(long stepsDone) {
        return top * factor(stepsDone);
    }

    // StrictMath, since Math's functions may round differently once they are compiled
    private double factor(long step) {
        if (type == LrSchedulerType.CONSTANT) {
            return 1;
        }
        if (step < warmup) {
            return (double) step / Math.max(1, warmup);
        }
        double decay = Math.max(1, total - warmup);
        double progress = (step - warmup) / decay;
        return switch (type) {
            case LINEAR -> Math.max(0, (total - step) / decay);
            case COSINE -> cosine(Math.PI * option("num_cycles", 0.5) * 2 * progress);
            case COSINE_WITH_RESTARTS -> progress >= 1
                    ? 0
                    : cosine(Math.PI * ((option("num_cycles", 1) * progress) % 1));
            case POLYNOMIAL -> polynomial(progress);
            case INVERSE_SQRT -> inverseRoot(step);
            case CONSTANT, CONSTANT_WITH_WARMUP -> 1;
        };
    }

    private static double cosine(double x) {
        return Math.max(0, 0.5 * (1 + StrictMath.cos(x)));
    }

    private double polynomial(double progress) {
        double end = option("lr_end", DEFAULT_LR_END);
        double left = Math.max(0, 1 - progress);
        return ((top - end) * StrictMath.pow(left, option("power", 1)) + end) / top;
    }

    private double inverseRoot(long step) {
        double timescale = option("timescale", warmup > 0 ? warmup : DEFAULT_TIMESCALE);
        return 1 / Math.sqrt((step + (timescale - warmup)) / timescale);
    }

    private double option(String name, double absent) {
        return kwargs.getOrDefault(name, absent);
    }
}
