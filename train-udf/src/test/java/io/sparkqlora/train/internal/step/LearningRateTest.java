// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.TrainingArguments;
import org.junit.jupiter.api.Test;

/** Expected values are those of {@code transformers.get_scheduler} 5.18.0 over an optimizer with learning rate 2e-4. */
class LearningRateTest {

    private static final double TOP = 2e-4;

    @Test
    void linearWithWarmup() {
        check(
                LrSchedulerType.LINEAR,
                3,
                0.0,
                6.666666666666667e-05,
                0.00013333333333333334,
                0.0002,
                0.00017142857142857143,
                0.00014285714285714287,
                0.00011428571428571428,
                8.571428571428571e-05,
                5.714285714285714e-05,
                2.857142857142857e-05);
    }

    @Test
    void linearWithoutWarmup() {
        check(
                LrSchedulerType.LINEAR,
                0,
                0.0002,
                0.00017142857142857143,
                0.00014285714285714287,
                0.00011428571428571428,
                8.571428571428571e-05,
                5.714285714285714e-05,
                2.857142857142857e-05);
    }

    @Test
    void cosineWithWarmup() {
        check(
                LrSchedulerType.COSINE,
                3,
                0.0,
                6.666666666666667e-05,
                0.00013333333333333334,
                0.0002,
                0.0001900968867902419,
                0.00016234898018587337,
                0.00012225209339563145,
                7.774790660436858e-05,
                3.7651019814126654e-05,
                9.903113209758096e-06);
    }

    @Test
    void warmupAsLongAsTheRun() {
        check(LrSchedulerType.COSINE, 5, 0.0, 4e-05, 8e-05, 0.00012, 0.00016);
    }

    @Test
    void constantKnowsNoWarmup() {
        check(LrSchedulerType.CONSTANT, 3, 0.0002, 0.0002, 0.0002, 0.0002, 0.0002);
    }

    @Test
    void constantWithWarmup() {
        check(LrSchedulerType.CONSTANT_WITH_WARMUP, 4, 0.0, 5e-05, 0.0001, 0.00015, 0.0002, 0.0002);
    }

    @Test
    void warmupRatioIsRoundedUpAndGivesWayToWarmupSteps() {
        TrainingArguments byRatio =
                TrainingArguments.builder().maxSteps(101).warmupRatio(0.03).build();
        assertThat(LearningRate.of(byRatio).warmup()).isEqualTo(4);
        assertThat(LearningRate.of(byRatio.toBuilder().warmupSteps(7).build()).warmup())
                .isEqualTo(7);
    }

    private static void check(LrSchedulerType type, int warmup, double... expected) {
        LearningRate rate = new LearningRate(type, TOP, warmup, expected.length);
        for (int step = 0; step < expected.length; step++) {
            assertThat(rate.at(step)).as("step " + step).isCloseTo(expected[step], within(1e-18));
        }
    }
}
