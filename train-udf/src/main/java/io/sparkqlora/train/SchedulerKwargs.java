// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Locale;
import java.util.Map;

/** What a schedule's options may be. */
final class SchedulerKwargs {

    private static final String NUM_CYCLES = "num_cycles";
    private static final String LR_END = "lr_end";

    private SchedulerKwargs() {}

    /** Refuses options that the schedule doesn't know, or that are out of range. */
    static void check(LrSchedulerType type, Map<String, Double> kwargs, double learningRate) {
        kwargs.forEach((name, value) -> {
            if (!type.kwargs().contains(name)) {
                throw OptionErrors.notOfScheduler(name, spelling(type), type.kwargs());
            }
            require(name, value, valid(type, name, value), expected(type, name));
        });
        double end = kwargs.getOrDefault(LR_END, 1e-7);
        // transformers' own condition
        require(LR_END, end, type != LrSchedulerType.POLYNOMIAL || end < learningRate, "below learning_rate");
    }

    private static boolean valid(LrSchedulerType type, String name, double value) {
        boolean whole = value == Math.rint(value) || type != LrSchedulerType.COSINE_WITH_RESTARTS;
        return Double.isFinite(value) && whole && (name.equals(LR_END) ? value >= 0 : value > 0);
    }

    private static String expected(LrSchedulerType type, String name) {
        if (name.equals(NUM_CYCLES) && type == LrSchedulerType.COSINE_WITH_RESTARTS) {
            return "a whole number of at least 1";
        }
        return name.equals(LR_END) ? "at least 0" : "above 0";
    }

    private static void require(String name, double value, boolean valid, String expected) {
        if (!valid) {
            throw TrainErrors.badArgument("lr_scheduler_kwargs." + name, value, expected);
        }
    }

    private static String spelling(LrSchedulerType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }
}
