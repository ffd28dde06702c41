// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Quantization;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * On a device that dequantises weights whole, {@code full} does so once for making a layer again and for its backward. The
 * processor, which doesn't, plays such a device; a GPU is one.
 */
class HeldWeightsTest {

    private static final DeviceTraits WHOLE = new DeviceTraits() {
        @Override
        public boolean ownsMemory() {
            return false;
        }

        @Override
        public boolean dequantizesWhole() {
            return true;
        }

        @Override
        public long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long outputs, long rank) {
            return 0;
        }
    };

    private static final TrainingArguments FULL =
            TestSessions.ARGUMENTS.toBuilder().recompute(Recompute.FULL).build();

    private final Device device = Devices.open("cpu");

    @AfterEach
    void close() {
        device.close();
    }

    private static Device holding(Device device) {
        return Replaced.with(Device.class, device, "traits", WHOLE);
    }

    /** Of each weight, for each micro-batch: once forward, once backward, once more where forward is made again. */
    @ParameterizedTest
    @CsvSource({"NONE, false, 2", "SELECTIVE, false, 2", "FULL, false, 3", "FULL, true, 2"})
    void aWeightIsDequantisedOncePerPass(Recompute recompute, boolean whole, int most) {
        Dequantizations counted = new Dequantizations(device.ops().quantization(), new HashMap<>());
        Device counting = Replaced.quantization(device, counted);
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
        List<List<PackedRow>> microBatches = TestTenants.rows(1, 0);
        try (TrainingSession session =
                TestSessions.open(whole ? holding(counting) : counting, TestSessions.LORA, arguments)) {
            counted.times().clear();
            session.step(microBatches);
        }
        assertThat(microBatches).hasSize(3);
        assertThat(counted.times()).hasSize(7 * TinyModels.config().numHiddenLayers());
        assertThat(Collections.max(counted.times().values())).isEqualTo(most * microBatches.size());
    }

    private record Dequantizations(Quantization real, Map<Tensor, Integer> times) implements Quantization {

        @Override
        public void quantize(Tensor source, QuantizedMatrix out) {
            real.quantize(source, out);
        }

        @Override
        public void dequantize(QuantizedMatrix source, Tensor out) {
            times.merge(source.packed(), 1, Integer::sum);
            real.dequantize(source, out);
        }
    }

    @Test
    void stepsAreTheSameAndTakeTheMemoryOfThePlan() {
        QuantizationConfig nf4 = QuantizationConfig.nf4(ComputeType.F32);
        MemoryPlan plan =
                MemoryPlan.of(WHOLE, TinyModels.config(), nf4, TestSessions.LORA, FULL, TestSessions.MAX_TOKENS);
        MemoryPlan usual = MemoryPlan.of(
                DeviceTraits.HOST, TinyModels.config(), nf4, TestSessions.LORA, FULL, TestSessions.MAX_TOKENS);
        assertThat(plan.dequantization()).isGreaterThan(usual.dequantization());
        try (TrainingSession held = TestSessions.open(holding(device), TestSessions.LORA, FULL)) {
            assertThat(device.peakBytes()).isEqualTo(plan.total());
            try (TrainingSession expected = TestSessions.open(device, TestSessions.LORA, FULL)) {
                for (int step = 0; step < 3; step++) {
                    List<List<PackedRow>> rows = TestTenants.rows(1, step);
                    StepMetrics a = held.step(rows);
                    StepMetrics e = expected.step(rows);
                    assertThat(a.loss()).isCloseTo(e.loss(), within(1e-5 * e.loss()));
                    assertThat(a.gradNorm()).isCloseTo(e.gradNorm(), within(1e-5 * e.gradNorm()));
                }
            }
        }
    }
}
