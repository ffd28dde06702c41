// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.TrainingArguments;

/**
 * The learning rate by step, with the values of transformers' {@code get_linear_schedule_with_warmup} and its siblings.
 *
 * @param type shape of the curve
 * @param top its highest value
 * @param warmup steps of linear rise from 0
 * @param total steps of the run
 */
public record LearningRate(LrSchedulerType type, double top, long warmup, long total) {

    /** The schedule of a run of {@code arguments.maxSteps()} steps. */
    public static LearningRate of(TrainingArguments arguments) {
        long total = arguments.maxSteps();
        return new LearningRate(
                arguments.lrSchedulerType(), arguments.learningRate(), arguments.effectiveWarmupSteps(total), total);
    }

    /** The rate of the update that {@code stepsDone} updates came before. */
    public double at(long stepsDone) {
        return top * factor(stepsDone);
    }

    private double factor(long step) {
        if (type == LrSchedulerType.CONSTANT) {
            return 1;
        }
        if (step < warmup) {
            return (double) step / Math.max(1, warmup);
        }
        double decay = Math.max(1, total - warmup);
        return switch (type) {
            case LINEAR -> Math.max(0, (total - step) / decay);
            case COSINE -> Math.max(0, 0.5 * (1 + StrictMath.cos(Math.PI * ((step - warmup) / decay))));
            case CONSTANT, CONSTANT_WITH_WARMUP -> 1;
        };
    }
}
