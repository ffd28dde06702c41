// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Adapters whose rows are equally many, so that what is low-rank is done for all of them at once. */
class EqualRunsTest {

    private static final int STEPS = 3;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    /** One row of one adapter, all of whose tokens count. */
    private static List<List<PackedRow>> rows(int slot, int step) {
        int[] ids = new Random(100L * slot + step)
                .ints(20, 3, TinyModels.config().vocabSize())
                .toArray();
        return List.of(List.of(PackedRow.single(slot, ids, ids)));
    }

    private static LoraConfig lora(double dropout) {
        return LoraConfig.builder()
                .r(8)
                .loraAlpha(8)
                .loraDropout(dropout)
                .targetModules(TargetModules.names("q_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "lm_head"))
                .build();
    }

    @ParameterizedTest
    @CsvSource({
        // losses of steps after the first come from adapters that have learnt
        "F32, 0, 1e-5, 1e-5",
        "F32, 0.2, 1e-5, 1e-5",
        "BF16, 0, 3e-3, 2e-2",
        "BF16, 0.2, 3e-3, 2e-2",
        "F16, 0.2, 4e-4, 3e-3",
    })
    void eachAdapterIsTheOneTrainedAlone(ComputeType type, double dropout, double ofLoss, double ofNorm) {
        QuantizationConfig quantization = QuantizationConfig.nf4(type);
        Map<Integer, List<StepMetrics>> together = together(quantization, lora(dropout));
        for (int slot = 0; slot < TestTenants.COUNT; slot++) {
            TrainingArguments arguments = TestTenants.arguments(slot);
            try (TrainingSession session = TestSessions.open(device, quantization, lora(dropout), arguments)) {
                for (int step = 0; step < STEPS; step++) {
                    StepMetrics alone = session.step(rows(slot, step));
                    StepMetrics beside = together.get(slot).get(step);
                    assertThat(beside.loss()).isCloseTo(alone.loss(), within(ofLoss * alone.loss()));
                    assertThat(beside.gradNorm()).isCloseTo(alone.gradNorm(), within(ofNorm * alone.gradNorm()));
                }
            }
        }
    }

    private Map<Integer, List<StepMetrics>> together(QuantizationConfig quantization, LoraConfig lora) {
        Map<Integer, List<StepMetrics>> metrics = new LinkedHashMap<>();
        try (MultiAdapterSession session = TestTenants.open(device, quantization, lora, TestTenants.arguments(0))) {
            Map<Integer, List<List<PackedRow>>> rows = new LinkedHashMap<>();
            for (int slot = 0; slot < TestTenants.COUNT; slot++) {
                session.start(slot, TestTenants.arguments(slot));
                metrics.put(slot, new ArrayList<>());
            }
            for (int step = 0; step < STEPS; step++) {
                for (int slot = 0; slot < TestTenants.COUNT; slot++) {
                    rows.put(slot, rows(slot, step));
                }
                session.step(rows).forEach((slot, outcome) -> metrics.get(slot).add(outcome.orThrow()));
            }
        }
        return metrics;
    }
}
