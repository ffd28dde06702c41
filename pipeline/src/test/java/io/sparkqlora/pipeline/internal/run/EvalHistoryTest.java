// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EvalHistoryTest {

    private static EvalHistory history(JobConfig config, double... losses) {
        EvalHistory history = new EvalHistory(config);
        for (int i = 0; i < losses.length; i++) {
            history.add(new EvalHistory.Evaluated(10L * (i + 1), losses[i]));
        }
        return history;
    }

    private static JobConfigBuilder job() {
        return TestJobs.small(Path.of("out")).set("eval_strategy", "steps");
    }

    @Test
    void theBestIsTheFirstOfTheLeast() {
        assertThat(history(job().build()).best()).isEmpty();
        assertThat(history(job().build(), 3, 2, 2, 4).best()).contains(new EvalHistory.Evaluated(20, 2));
        assertThat(history(job().build(), 3, 2, 2, 4).last()).contains(new EvalHistory.Evaluated(40, 4));
        JobConfig greatest = job().set("greater_is_better", true).build();
        assertThat(history(greatest, 3, 2, 4, 4).best()).contains(new EvalHistory.Evaluated(30, 4));
    }

    /** After how many evaluations transformers' EarlyStoppingCallback, fed these losses, sets should_training_stop. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1 | 0    | 3 2 1 1   | 4",
                "1 | 0    | 3 2 1 0.5 | 0",
                "2 | 0    | 3 4 2 2.5 2.2 1 | 5",
                "2 | 0.5  | 3 2.8 2.6 1 | 3",
                // an improvement that is too small still moves what the next one is compared with
                "3 | 0.25 | 3 2.8 2.6 2.4 | 4",
                "2 | 0.25 | 3 2.8 2.5 2.3 2.2 | 5",
            })
    void stopsAsTransformersDoes(int patience, double threshold, String losses, int stopped) {
        JobConfig config = job().set("early_stopping_patience", patience)
                .set("early_stopping_threshold", threshold)
                .build();
        double[] all = Arrays.stream(losses.split(" "))
                .mapToDouble(Double::parseDouble)
                .toArray();
        for (int i = 1; i <= all.length; i++) {
            assertThat(history(config, Arrays.copyOf(all, i)).stops())
                    .as("after " + i)
                    .isEqualTo(i == stopped);
            if (i == stopped) {
                return;
            }
        }
        assertThat(stopped).isZero();
    }

    @Test
    void withoutPatienceNothingStops() {
        assertThat(history(job().build(), 1, 2, 3, 4, 5, 6).stops()).isFalse();
    }

    @Test
    void evaluationsAreDueAtMultiplesAndAtTheEnd() {
        EvalPlan plan = new EvalPlan("d", 4);
        assertThat(plan.next(0, 10)).isEqualTo(4);
        assertThat(plan.next(4, 10)).isEqualTo(8);
        assertThat(plan.next(9, 10)).isEqualTo(10);
        assertThat(plan.due(8, 10)).isTrue();
        assertThat(plan.due(9, 10)).isFalse();
        assertThat(plan.due(10, 10)).isTrue();
        assertThat(EvalPlan.NONE.next(3, 10)).isEqualTo(10);
        assertThat(EvalPlan.NONE.due(10, 10)).isFalse();
    }
}
