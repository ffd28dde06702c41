// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Three adapters that differ in everything that may differ, and their rows. */
final class TestTenants {

    static final int COUNT = 3;

    private TestTenants() {}

    static TrainingArguments arguments(int slot) {
        return TestSessions.ARGUMENTS.toBuilder()
                .seed(7 + slot)
                .learningRate(1e-2 / (1 + slot))
                .lrSchedulerType(slot == 1 ? LrSchedulerType.COSINE : LrSchedulerType.LINEAR)
                .warmupSteps(slot)
                .weightDecay(0.01 * slot)
                .labelSmoothingFactor(0.1 * slot)
                .neftuneNoiseAlpha(slot == 0 ? 5 : 0)
                .maxGradNorm(slot == 2 ? 0.05 : 1)
                .maxSteps(10 + slot)
                .build();
    }

    /** Two rows, one of them packed; three micro-batches; next to nothing. */
    static List<List<PackedRow>> rows(int slot, int step) {
        long seed = 100L * slot + 10L * step;
        return switch (slot) {
            case 0 -> List.of(List.of(TestRows.packed(seed, 51, 11, 9), TestRows.packed(seed + 1, 51, 14)));
            case 1 -> List.of(
                    List.of(TestRows.packed(seed, 51, 30)),
                    List.of(TestRows.packed(seed + 1, 51, 8, 3, 21)),
                    List.of(TestRows.packed(seed + 2, 51, 17)));
            default -> List.of(List.of(TestRows.packed(seed, 51, 5)));
        };
    }

    /** The rows of some of them. */
    static Map<Integer, List<List<PackedRow>>> together(int step, int... slots) {
        Map<Integer, List<List<PackedRow>>> rows = new LinkedHashMap<>();
        for (int slot : slots) {
            rows.put(slot, rows(slot, step));
        }
        return rows;
    }

    /** F32 compute over an NF4 base. */
    static MultiAdapterSession open(Device device, LoraConfig lora, TrainingArguments arguments) {
        return open(device, QuantizationConfig.nf4(ComputeType.F32), lora, arguments);
    }

    static MultiAdapterSession open(
            Device device, QuantizationConfig quantization, LoraConfig lora, TrainingArguments arguments) {
        ModelConfig config = TinyModels.config();
        return MultiAdapterSession.open(
                device,
                config,
                new ScaledWeights(config),
                quantization,
                lora,
                arguments,
                TestSessions.MAX_TOKENS,
                COUNT);
    }
}
