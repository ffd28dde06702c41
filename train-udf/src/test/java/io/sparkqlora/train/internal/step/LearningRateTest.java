// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.TrainingArguments;
import java.io.IOException;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class LearningRateTest {

    private static final double TOP = 2e-4;

    /** A run of transformers' {@code get_scheduler} over an optimizer with learning rate 2e-4. */
    record Reference(String type, Map<String, Double> kwargs, long warmup, List<Double> rates) {

        LrSchedulerType scheduler() {
            return LrSchedulerType.valueOf(type.toUpperCase(Locale.ROOT));
        }
    }

    static List<Reference> references() throws IOException {
        return new ObjectMapper()
                .readValue(Path.of("src/test/resources/schedules.json").toFile(), new TypeReference<>() {});
    }

    @ParameterizedTest
    @MethodSource("references")
    void isThatOfTransformers(Reference r) {
        int total = r.rates().size();
        LearningRate rate = new LearningRate(r.scheduler(), r.kwargs(), TOP, r.warmup(), total);
        for (int step = 0; step < total; step++) {
            assertThat(rate.at(step)).as("step " + step).isCloseTo(r.rates().get(step), within(1e-18));
        }
    }

    @Test
    void everyScheduleHasAReference() throws IOException {
        assertThat(references().stream().map(Reference::scheduler)).containsAll(EnumSet.allOf(LrSchedulerType.class));
    }

    @Test
    void optionsAreThoseOfTheSchedule() {
        assertThatThrownBy(() -> with(LrSchedulerType.POLYNOMIAL, "num_cycles", 2))
                .hasMessageContaining("QLORA-T130")
                .hasMessageContaining(
                        "lr_scheduler_kwargs has num_cycles, which lr_scheduler_type polynomial doesn't know")
                .hasMessageContaining("lr_end, power");
        assertThatThrownBy(() -> with(LrSchedulerType.LINEAR, "power", 2)).hasMessageContaining("it has no options");
    }

    @Test
    void optionsHaveTheirRanges() {
        assertThatThrownBy(() -> with(LrSchedulerType.COSINE_WITH_RESTARTS, "num_cycles", 1.5))
                .hasMessageContaining("lr_scheduler_kwargs.num_cycles is 1.5, expected a whole number of at least 1");
        assertThatThrownBy(() -> with(LrSchedulerType.POLYNOMIAL, "lr_end", 0.1))
                .hasMessageContaining("lr_scheduler_kwargs.lr_end is 0.1, expected below learning_rate");
        assertThatThrownBy(() -> with(LrSchedulerType.INVERSE_SQRT, "timescale", 0))
                .hasMessageContaining("lr_scheduler_kwargs.timescale is 0.0, expected above 0");
    }

    private static TrainingArguments with(LrSchedulerType type, String option, double value) {
        return TrainingArguments.builder()
                .lrSchedulerType(type)
                .lrSchedulerKwargs(Map.of(option, value))
                .build();
    }

    @Test
    void warmupRatioIsRoundedUpAndGivesWayToWarmupSteps() {
        TrainingArguments byRatio =
                TrainingArguments.builder().maxSteps(101).warmupRatio(0.03).build();
        assertThat(LearningRate.of(byRatio).warmup()).isEqualTo(4);
        assertThat(LearningRate.of(byRatio.toBuilder().warmupSteps(7).build()).warmup())
                .isEqualTo(7);
    }
}
