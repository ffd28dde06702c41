// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import io.sparkqlora.train.internal.safetensors.SafetensorsAssembler;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Linear layers in 4 or 8 bits as transformers and bitsandbytes save them, the rest in a floating-point type. */
public final class QuantizedOutput implements CheckpointOutput {

    /** The text beside a weight has some 170. */
    private static final long MOST_STATE_BYTES = 512;

    private final WeightSource source;
    private final WeightMerger merger;
    private final PlainWeights plain;
    private final DType out;
    private final WeightForm form;
    private final Map<String, long[]> shapes;
    private final Map<String, HeldFormat> held;
    private final Updates updates;
    private final Map<String, Double> errors = new LinkedHashMap<>();
    private long bytes;

    /**
     * @param out type of what is not quantised, and that transformers dequantises to; null: each tensor's own
     * @param target the format
     * @param shapes rows and columns of the weights that are to be in it, by name
     * @param held the weights that the base held quantised, by name
     * @param updates what is added to weights
     */
    public QuantizedOutput(
            Device device,
            WeightSource source,
            DType out,
            QuantizationConfig target,
            Map<String, long[]> shapes,
            Map<String, HeldFormat> held,
            Updates updates) {
        this.source = source;
        this.merger = new WeightMerger(device, source, out, updates.decomposed());
        this.plain = new PlainWeights(updates.of(source), out, updates.replaced());
        this.out = out;
        this.form = WeightForm.of(device, target);
        this.shapes = shapes;
        this.held = held;
        this.updates = updates;
        shapes.forEach((name, shape) -> form.check(name, shape[0], shape[1]));
    }

    /** How far each quantised weight is from what it was made of, by name: the relative Frobenius norm. */
    public Map<String, Double> errors() {
        return errors;
    }

    @Override
    public void write(Path file, List<String> tensors) throws IOException {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        List<String> texts = new ArrayList<>();
        for (String tensor : tensors) {
            if (shapes.containsKey(tensor)) {
                infos.putAll(quantized(tensor));
                texts.addAll(form.texts(tensor));
            } else {
                infos.put(tensor, plain.written(tensor));
            }
        }
        try (SafetensorsAssembler to =
                new SafetensorsAssembler(file, ordered(infos), texts, MOST_STATE_BYTES, Map.of("format", "pt"))) {
            for (String tensor : tensors) {
                write(tensor, to);
            }
            bytes += to.finish();
        }
    }

    /** Wide types first and names in order, as the reference implementation does. */
    private static Map<String, TensorInfo> ordered(Map<String, TensorInfo> infos) {
        Map<String, TensorInfo> ordered = new LinkedHashMap<>();
        infos.entrySet().stream()
                .sorted(Comparator.<Map.Entry<String, TensorInfo>>comparingInt(
                                entry -> -entry.getValue().dtype().bytes())
                        .thenComparing(Map.Entry.comparingByKey()))
                .forEach(entry -> ordered.put(entry.getKey(), entry.getValue()));
        return ordered;
    }

    private Map<String, TensorInfo> quantized(String name) {
        long[] shape = shapes.get(name);
        return form.tensors(name, shape[0], shape[1]);
    }

    private void write(String tensor, SafetensorsAssembler to) throws IOException {
        Update update = updates.byWeight().get(tensor);
        if (shapes.containsKey(tensor)) {
            merger.quantize(tensor, held.get(tensor), update, form.format(), (weight, error) -> {
                errors.put(tensor, error);
                String dtype =
                        MergedFiles.torchName(out == null ? source.info(tensor).dtype() : out);
                form.write(tensor, weight, dtype, to);
            });
        } else if (held.containsKey(tensor) || update != null) {
            merger.write(tensor, held.get(tensor), update, to.at(tensor));
        } else {
            plain.write(tensor, to.at(tensor));
        }
    }

    @Override
    public List<String> names(String tensor) {
        if (!shapes.containsKey(tensor)) {
            return List.of(tensor);
        }
        List<String> names = new ArrayList<>(quantized(tensor).keySet());
        names.addAll(form.texts(tensor));
        return names;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void configure(ObjectNode config) {
        updates.configure(config);
        if (out != null) {
            MergedFiles.setType(config, out);
        }
        form.configure(config.putObject("quantization_config"));
    }
}
