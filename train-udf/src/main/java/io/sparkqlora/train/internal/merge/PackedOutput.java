// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.checkpoint.PackedWeight;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import io.sparkqlora.train.internal.safetensors.SafetensorsAssembler;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Linear layers in 4 bits as transformers and bitsandbytes save them, the rest in a floating-point type. */
public final class PackedOutput implements CheckpointOutput {

    /** The text beside a weight has some 170. */
    private static final long MOST_STATE_BYTES = 512;

    private static final long PIECE_BYTES = 64L << 20;

    private final Device device;
    private final WeightSource source;
    private final WeightMerger merger;
    private final PlainWeights plain;
    private final DType out;
    private final QuantizationConfig target;
    private final Map<String, long[]> shapes;
    private final Map<String, HeldFormat> held;
    private final Map<String, Update> updates;
    private final Map<String, Double> errors = new LinkedHashMap<>();
    private long bytes;

    /**
     * @param out type of what is not quantised, and that transformers dequantises to; null: each tensor's own
     * @param target the format
     * @param shapes rows and columns of the weights that are to be in it, by name
     * @param held the weights that the base held in 4 bits, by name
     * @param updates what is added to weights
     */
    public PackedOutput(
            Device device,
            WeightSource source,
            DType out,
            QuantizationConfig target,
            Map<String, long[]> shapes,
            Map<String, HeldFormat> held,
            Updates updates) {
        this.device = device;
        this.source = source;
        this.merger = new WeightMerger(device, source, out);
        this.plain = new PlainWeights(source, out, updates.replaced());
        this.out = out;
        this.target = target;
        this.shapes = shapes;
        this.held = held;
        this.updates = updates.byWeight();
        shapes.forEach((name, shape) -> requireWhole(name, (shape[0] * shape[1] + 1) / 2));
    }

    private void requireWhole(String name, long packed) {
        QuantStorage storage = target.bnb4bitQuantStorage();
        if (packed % storage.dtype().bytes() != 0) {
            throw FormatErrors.oddStorage(name, packed, storage);
        }
    }

    /** How far each weight in 4 bits is from what it was made of, by name: the relative Frobenius norm. */
    public Map<String, Double> errors() {
        return errors;
    }

    @Override
    public void write(Path file, List<String> tensors) throws IOException {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        List<String> states = new ArrayList<>();
        for (String tensor : tensors) {
            if (shapes.containsKey(tensor)) {
                infos.putAll(packed(tensor));
                states.add(state(tensor));
            } else {
                infos.put(tensor, plain.written(tensor));
            }
        }
        try (SafetensorsAssembler to =
                new SafetensorsAssembler(file, ordered(infos), states, MOST_STATE_BYTES, Map.of("format", "pt"))) {
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

    private Map<String, TensorInfo> packed(String name) {
        long[] shape = shapes.get(name);
        long elements = shape[0] * shape[1];
        DType storage = target.bnb4bitQuantStorage().dtype();
        boolean nested = target.bnb4bitUseDoubleQuant();
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        infos.put(name, new TensorInfo(storage, List.of((elements + 1) / 2 / storage.bytes(), 1L)));
        infos.put(
                name + PackedWeight.ABSMAX,
                vector(nested ? DType.U8 : DType.F32, target.format().blocks(elements)));
        infos.put(
                name + PackedWeight.QUANT_MAP,
                vector(DType.F32, target.bnb4bitQuantType().levels().length));
        if (nested) {
            infos.put(
                    name + PackedWeight.NESTED_ABSMAX,
                    vector(DType.F32, target.format().nestedBlocks(elements)));
            infos.put(name + PackedWeight.NESTED_QUANT_MAP, vector(DType.F32, DynamicMap.SIZE));
        }
        return infos;
    }

    private static TensorInfo vector(DType dtype, long size) {
        return new TensorInfo(dtype, List.of(size));
    }

    private void write(String tensor, SafetensorsAssembler to) throws IOException {
        Update update = updates.get(tensor);
        if (shapes.containsKey(tensor)) {
            merger.quantize(tensor, held.get(tensor), update, target.format(), (weight, error) -> {
                errors.put(tensor, error);
                write(tensor, weight, to);
            });
        } else if (held.containsKey(tensor) || update != null) {
            merger.write(tensor, held.get(tensor), update, to.at(tensor));
        } else {
            plain.write(tensor, to.at(tensor));
        }
    }

    private void write(String name, QuantizedMatrix weight, SafetensorsAssembler to) throws IOException {
        copyOut(weight.packed(), to.at(name));
        copyOut(weight.absmax(), to.at(name + PackedWeight.ABSMAX));
        to.at(name + PackedWeight.QUANT_MAP)
                .write(littleEndian(target.bnb4bitQuantType().levels()));
        float offset = 0;
        if (weight.format().doubleQuant()) {
            copyOut(weight.nestedAbsmax(), to.at(name + PackedWeight.NESTED_ABSMAX));
            to.at(name + PackedWeight.NESTED_QUANT_MAP).write(littleEndian(DynamicMap.signed()));
            ByteBuffer mean = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            device.copyOut(weight.nestedOffset(), mean);
            offset = mean.getFloat(0);
        }
        String dtype = torchName(out == null ? source.info(name).dtype() : out);
        to.text(state(name), QuantStateText.of(weight, dtype, offset));
    }

    private String state(String name) {
        return PackedWeight.state(name, target.bnb4bitQuantType());
    }

    private void copyOut(Tensor vector, Sink sink) throws IOException {
        long step = PIECE_BYTES / vector.dtype().bytes();
        for (long from = 0; from < vector.cols(); from += step) {
            Tensor piece = vector.colRange(from, Math.min(vector.cols(), from + step));
            ByteBuffer piecesBytes = ByteBuffer.allocateDirect(Math.toIntExact(piece.bytes()));
            device.copyOut(piece, piecesBytes);
            sink.write(piecesBytes.clear());
        }
    }

    private static ByteBuffer littleEndian(float[] values) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asFloatBuffer().put(values);
        return buffer;
    }

    private static String torchName(DType dtype) {
        return switch (dtype) {
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            case F32 -> "float32";
            default -> throw new IllegalArgumentException(dtype + " is no floating-point weight type");
        };
    }

    @Override
    public List<String> names(String tensor) {
        if (!shapes.containsKey(tensor)) {
            return List.of(tensor);
        }
        List<String> names = new ArrayList<>(packed(tensor).keySet());
        names.add(state(tensor));
        return names;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    /** In the order of {@code BitsAndBytesConfig.to_dict}; a block size that is not 64 stands beside, where transformers ignores it. */
    @Override
    public void configure(ObjectNode config) {
        if (out != null) {
            MergedFiles.setType(config, out);
        }
        ObjectNode quantization = config.putObject("quantization_config");
        quantization.put("_load_in_4bit", true).put("_load_in_8bit", false);
        if (target.blockSize() != QuantizationConfig.DEFAULT_BLOCK_SIZE) {
            quantization.put("bnb_4bit_blocksize", target.blockSize());
        }
        DType compute = target.bnb4bitComputeDtype().dtype();
        quantization.put("bnb_4bit_compute_dtype", torchName(compute));
        quantization.put("bnb_4bit_quant_storage", target.bnb4bitQuantStorage().torchName());
        quantization.put("bnb_4bit_quant_type", target.bnb4bitQuantType().name().toLowerCase(Locale.ROOT));
        quantization.put("bnb_4bit_use_double_quant", target.bnb4bitUseDoubleQuant());
        quantization.put("llm_int8_enable_fp32_cpu_offload", false).put("llm_int8_has_fp16_weight", false);
        if (target.llmInt8SkipModules().patterns() == null) {
            quantization.putNull("llm_int8_skip_modules");
        } else {
            ArrayNode skipped = quantization.putArray("llm_int8_skip_modules");
            target.llmInt8SkipModules().patterns().forEach(skipped::add);
        }
        quantization.put("llm_int8_threshold", 6.0);
        quantization.put("load_in_4bit", true).put("load_in_8bit", false).put("quant_method", "bitsandbytes");
    }
}
