// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.adapter.FileSwap;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Writes a checkpoint's weights anew, file by file and in each one tensor after another. */
public final class CheckpointMerge {

    private final WeightMerger merger;
    private final PlainWeights plain;
    private final QuantFormat format;
    private final Set<String> quantized;
    private final Map<String, Update> updates = new LinkedHashMap<>();

    /**
     * @param format that the base was held in while the adapter was trained
     * @param quantized names of the weights that were; empty for none
     */
    public CheckpointMerge(Device device, WeightSource source, DType out, QuantFormat format, Set<String> quantized) {
        this.merger = new WeightMerger(device, source, out);
        this.plain = new PlainWeights(source, out);
        this.format = format;
        this.quantized = Set.copyOf(quantized);
    }

    /** Has {@code scaling · B·A} added to a weight. */
    public void add(String weight, NamedTensor a, NamedTensor b, double scaling) {
        updates.put(weight, new Update(a, b, (float) scaling));
    }

    /** Weights that something is added to. */
    public Set<String> updated() {
        return updates.keySet();
    }

    /**
     * Writes the checkpoint; a folder without its {@code config.json} holds none.
     *
     * @param base the folder of the base
     * @return bytes of the weights
     */
    public long write(Path base, Map<String, List<String>> tensorsByFile, Path folder) throws IOException {
        long bytes = tensorsByFile.values().stream()
                .flatMap(List::stream)
                .mapToLong(tensor -> plain.written(tensor).bytes())
                .sum();
        try (FileSwap swap = new FileSwap(folder)) {
            for (Map.Entry<String, List<String>> file : tensorsByFile.entrySet()) {
                swap.add(file.getKey(), path -> write(path, file.getValue()));
            }
            if (tensorsByFile.size() > 1) {
                String index = MergedFiles.index(tensorsByFile, bytes);
                swap.add(MergedFiles.INDEX, path -> Files.writeString(path, index));
            }
            for (Path small : MergedFiles.copied(base)) {
                swap.add(small.getFileName().toString(), path -> Files.copy(small, path));
            }
            String config = MergedFiles.config(base, merger.out());
            swap.add(MergedFiles.CONFIG, path -> Files.writeString(path, config));
            swap.commit();
        }
        return bytes;
    }

    private void write(Path path, List<String> tensors) throws IOException {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        tensors.forEach(tensor -> infos.put(tensor, plain.written(tensor)));
        SafetensorsWriter.write(path, infos, Map.of("format", "pt"), this::write);
    }

    private void write(String tensor, Sink sink) throws IOException {
        Update update = updates.get(tensor);
        boolean wasQuantized = quantized.contains(tensor);
        if (wasQuantized || update != null) {
            merger.write(tensor, wasQuantized ? format : null, update, sink);
        } else {
            plain.write(tensor, sink);
        }
    }
}
