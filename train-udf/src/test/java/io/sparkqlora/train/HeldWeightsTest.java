// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

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
        return (Device) Proxy.newProxyInstance(
                Device.class.getClassLoader(), new Class<?>[] {Device.class}, (self, method, arguments) -> {
                    if (method.getName().equals("traits")) {
                        return WHOLE;
                    }
                    try {
                        return method.invoke(device, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
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
