// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TinyModels;
import io.sparkqlora.train.TrainingArguments;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AdapterSlotTest {

    /** What a kernel that takes all slots in one launch needs to find the next one's matrices. */
    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void slotsLieAtAFixedDistance(ComputeType compute) {
        LoraConfig lora = LoraConfig.builder()
                .r(5)
                .targetModules(TargetModules.names("q_proj", "down_proj"))
                .build();
        SessionSpec spec = SessionSpec.of(
                DeviceTraits.HOST,
                TinyModels.config(),
                QuantizationConfig.nf4(compute),
                lora,
                TrainingArguments.builder().build(),
                64,
                4);
        PlanningDevice planning = new PlanningDevice();
        Arena any = planning.unboundedArena();
        Arena adapter = planning.unboundedArena();
        Arena gradients = planning.unboundedArena();
        List<AdapterSlot> slots = SessionBuffers.take(
                        spec, new SessionBuffers.Arenas(any, any, any, any, adapter, gradients, any, any))
                .slots();
        assertThat(slots).hasSize(4);
        atAFixedDistance(slots, slot -> slot.buffers().parameters());
        atAFixedDistance(slots, slot -> slot.buffers().gradients());
        atAFixedDistance(slots, slot -> slot.views().layers().get(1).qkv().a().first());
        atAFixedDistance(
                slots,
                slot -> slot.views().layers().get(1).down().updates().get(0).b().first());
    }

    private static void atAFixedDistance(List<AdapterSlot> slots, Function<AdapterSlot, Tensor> matrix) {
        long first = matrix.apply(slots.get(0)).byteOffset();
        long distance = matrix.apply(slots.get(1)).byteOffset() - first;
        assertThat(distance).isGreaterThanOrEqualTo(matrix.apply(slots.get(0)).bytes());
        for (int i = 0; i < slots.size(); i++) {
            assertThat(matrix.apply(slots.get(i)).byteOffset()).isEqualTo(first + i * distance);
        }
    }
}
