// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Method;
import org.junit.jupiter.api.Test;

class PlanningDeviceTest {

    @Test
    void allocationsBeyondAnyMachineAreOnlyCounted() {
        try (PlanningDevice device = new PlanningDevice()) {
            Memory base = device.allocate(1L << 52, "the base model");
            Memory state = device.allocate(1L << 40, "optimizer state");
            base.close();
            base.close();
            assertThat(device.allocatedBytes()).isEqualTo(1L << 40);
            assertThat(device.peakBytes()).isEqualTo((1L << 52) + (1L << 40));
            state.close();
            assertThat(device.allocatedBytes()).isZero();
        }
    }

    @Test
    void aStepOnItFindsTheArenasSize() {
        PlanningDevice device = new PlanningDevice();
        Arena arena = device.unboundedArena();
        Tensor a = arena.take(DType.BF16, 1 << 20, 1 << 20);
        long mark = arena.mark();
        Tensor b = arena.take(DType.BF16, 1 << 20, 1 << 20);
        device.ops().matmul().linear(a, a, b);
        device.ops().matmul().multiply(a, true, b, false, 1f, 1f, a);
        device.ops().elementwise().zero(b);
        arena.release(mark);
        assertThat(arena.peakBytes()).isEqualTo(2L << 41);
        assertThat(device.peakBytes()).isZero();
    }

    @Test
    void anArenaInsideAnotherOneHasItsBytesAndNoMore() {
        try (Arena whole = new Arena(new PlanningDevice().allocate(2048, "a test"))) {
            whole.take(DType.F32, 1, 100);
            Tensor bytes = whole.take(DType.U8, 2, 300);
            Arena within = Arena.within(bytes);
            assertThat(within.take(DType.U8, 1, 10).byteOffset()).isEqualTo(512);
            assertThat(within.peakBytes()).isEqualTo(256);
            long mark = within.mark();
            assertThat(within.take(DType.F32, 1, 86).byteOffset()).isEqualTo(768);
            assertThatThrownBy(() -> within.release(511)).hasMessage("mark 511 is not below the top 1280");
            within.release(mark);
            assertThatThrownBy(() -> within.take(DType.F32, 1, 87))
                    .hasMessageContaining("the step's buffers need 348 more bytes, 344 of 600 are left");
            within.close();
            assertThat(whole.take(DType.U8, 1, 768).byteOffset()).isEqualTo(1280);
        }
    }

    @Test
    void everyOperationIsThere() throws ReflectiveOperationException {
        Operations operations = new PlanningDevice().ops();
        for (Method method : Operations.class.getMethods()) {
            assertThat(method.invoke(operations)).isInstanceOf(method.getReturnType());
        }
        assertThat(operations).hasToString("planned operations").isEqualTo(operations);
    }

    @Test
    void negativeSizesAreRefused() {
        assertThatThrownBy(() -> new PlanningDevice().allocate(-1, "nothing"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("-1 bytes for nothing");
    }
}
