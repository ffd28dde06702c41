// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Weights in one floating-point type. */
public final class DenseOutput implements CheckpointOutput {

    private final WeightMerger merger;
    private final PlainWeights plain;
    private final Map<String, HeldFormat> held;
    private final Updates updates;
    private long bytes;

    /**
     * @param out that type, BF16 or F32
     * @param held the weights that the base held quantised while the adapter was trained, by name
     * @param updates what is added to weights, by name
     */
    public DenseOutput(Device device, WeightSource source, DType out, Map<String, HeldFormat> held, Updates updates) {
        WeightSource updated = updates.of(source);
        this.merger = new WeightMerger(device, updated, out, updates.decomposed());
        this.plain = new PlainWeights(updated, out, updates.replaced());
        this.held = held;
        this.updates = updates;
    }

    @Override
    public void write(Path file, List<String> tensors) throws IOException {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        tensors.forEach(tensor -> infos.put(tensor, written(tensor)));
        SafetensorsWriter.write(file, infos, Map.of("format", "pt"), this::write);
        bytes += infos.values().stream().mapToLong(TensorInfo::bytes).sum();
    }

    private TensorInfo written(String tensor) {
        HeldFormat format = held.get(tensor);
        return format == null || format.stored() == null
                ? plain.written(tensor)
                : new TensorInfo(
                        merger.out(),
                        List.of(format.stored().rows(), format.stored().cols()));
    }

    private void write(String tensor, Sink sink) throws IOException {
        Update update = updates.byWeight().get(tensor);
        if (held.containsKey(tensor) || update != null) {
            merger.write(tensor, held.get(tensor), update, sink);
        } else {
            plain.write(tensor, sink);
        }
    }

    @Override
    public List<String> names(String tensor) {
        return List.of(tensor);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void configure(ObjectNode config) {
        updates.configure(config);
        config.remove("quantization_config");
        MergedFiles.setType(config, merger.out());
    }
}
