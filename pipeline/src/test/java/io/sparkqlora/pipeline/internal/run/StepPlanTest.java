// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.TrainingArguments;
import org.junit.jupiter.api.Test;

class StepPlanTest {

    @Test
    void anEpochsLastStepTakesWhatIsLeft() {
        StepPlan plan = new StepPlan(10, 4, 7);
        assertThat(plan.stepsPerEpoch()).isEqualTo(3);
        assertThat(new int[] {plan.rowsOf(0), plan.rowsOf(1), plan.rowsOf(2), plan.rowsOf(3)})
                .containsExactly(4, 4, 2, 4);
        assertThat(plan.firstPlace(2)).isEqualTo(8);
        assertThat(plan.firstPlace(3)).isEqualTo(10);
        assertThat(plan.epoch(3)).isEqualTo(1.0);
        assertThat(plan.epoch(4)).isEqualTo(1.4);
    }

    @Test
    void everyRowIsTakenOnceAnEpochWhateverTheSizes() {
        for (int rows = 1; rows < 40; rows++) {
            for (int perStep = 1; perStep < 12; perStep++) {
                StepPlan plan = new StepPlan(rows, perStep, 100);
                long taken = 0;
                for (long step = 0; step < plan.stepsPerEpoch(); step++) {
                    assertThat(plan.rowsOf(step)).isBetween(1, perStep);
                    taken += plan.rowsOf(step);
                }
                assertThat(taken).isEqualTo(rows);
                assertThat(plan.firstPlace(plan.stepsPerEpoch())).isEqualTo(rows);
            }
        }
    }

    @Test
    void stepsOfAnEpochAreThoseThatTheEngineCounts() {
        for (int batch = 1; batch < 6; batch++) {
            for (int accumulation = 1; accumulation < 6; accumulation++) {
                TrainingArguments arguments = TrainingArguments.builder()
                        .perDeviceTrainBatchSize(batch)
                        .gradientAccumulationSteps(accumulation)
                        .build();
                for (int rows = 1; rows < 60; rows++) {
                    assertThat(new StepPlan(rows, arguments.rowsPerStep(), 1).stepsPerEpoch())
                            .isEqualTo(arguments.stepsPerEpoch(rows));
                }
            }
        }
    }
}
