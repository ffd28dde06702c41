// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An adapter beside what it began with, one weight after another.
 *
 * @param device that decomposes
 * @param source the checkpoint
 * @param held the weights that the run quantised, by name
 */
public record OriginalAdapter(Device device, WeightSource source, Map<String, HeldFormat> held) {

    /** {@code B·A − B₀·A₀}. */
    public Adapter of(Adapter adapter, AdapterLayout layout) {
        DecomposedBase decomposed = DecomposedBase.toGoOn(adapter.config(), Set.copyOf(layout.modules()));
        WeightMerger merger = new WeightMerger(device, source, null, decomposed);
        for (String module : layout.modules()) {
            String weight = module + ".weight";
            merger.split(weight, held.get(weight));
        }
        Map<String, NamedTensor> trained = new LinkedHashMap<>();
        adapter.tensors().forEach(tensor -> trained.put(tensor.name(), tensor));
        List<NamedTensor> tensors = new ArrayList<>();
        for (Slot slot : layout.slots()) {
            NamedTensor now = trained.get(slot.name());
            switch (slot.role()) {
                case A -> tensors.add(below(now, decomposed.start().get(slot.name())));
                case B -> tensors.add(besideNegated(now, decomposed.start().get(slot.name())));
                default -> tensors.add(now);
            }
        }
        return new Adapter(twice(adapter.config()), adapter.baseModelNameOrPath(), tensors);
    }

    /** Twice the rank at the same scaling. */
    private static LoraConfig twice(LoraConfig lora) {
        double alpha = lora.useRslora() ? Math.sqrt(2) : 2;
        return LoraConfig.builder()
                .r(2 * lora.r())
                .loraAlpha(alpha * lora.loraAlpha())
                .loraDropout(lora.loraDropout())
                .targetModules(lora.targetModules())
                .layers(lora.layers())
                .initLoraWeights(InitLoraWeights.TRUE)
                .useRslora(lora.useRslora())
                .rankPattern(times(lora.rankPattern(), 2))
                .alphaPattern(times(lora.alphaPattern(), alpha))
                .bias(lora.bias())
                .modulesToSave(lora.modulesToSave())
                .build();
    }

    private static ModulePattern times(ModulePattern pattern, double factor) {
        Map<String, Number> values = new LinkedHashMap<>();
        pattern.entries().forEach(entry -> values.put(entry.expression(), factor * entry.value()));
        return ModulePattern.of(values);
    }

    private static NamedTensor below(NamedTensor a, NamedTensor b) {
        byte[] both = new byte[a.data().length + b.data().length];
        System.arraycopy(a.data(), 0, both, 0, a.data().length);
        System.arraycopy(b.data(), 0, both, a.data().length, b.data().length);
        return new NamedTensor(a.name(), DType.F32, new long[] {a.shape()[0] + b.shape()[0], a.shape()[1]}, both);
    }

    private static NamedTensor besideNegated(NamedTensor a, NamedTensor b) {
        int row = Math.toIntExact(a.shape()[1] * Float.BYTES);
        int ofB = Math.toIntExact(b.shape()[1] * Float.BYTES);
        int rows = Math.toIntExact(a.shape()[0]);
        byte[] both = new byte[rows * (row + ofB)];
        for (int i = 0; i < rows; i++) {
            System.arraycopy(a.data(), i * row, both, i * (row + ofB), row);
            System.arraycopy(b.data(), i * ofB, both, i * (row + ofB) + row, ofB);
            for (int k = i * (row + ofB) + row; k < (i + 1) * (row + ofB); k += Float.BYTES) {
                both[k + Float.BYTES - 1] ^= (byte) 0x80; // the sign, little-endian
            }
        }
        return new NamedTensor(a.name(), DType.F32, new long[] {rows, a.shape()[1] + b.shape()[1]}, both);
    }
}
