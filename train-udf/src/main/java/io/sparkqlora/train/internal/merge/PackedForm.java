// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.internal.checkpoint.PackedWeight;
import io.sparkqlora.train.internal.safetensors.SafetensorsAssembler;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Weights in 4 bits, as {@link PackedWeight} reads them.
 *
 * @param device that they are on
 * @param target the format
 */
record PackedForm(Device device, QuantizationConfig target) implements WeightForm {

    @Override
    public QuantFormat format() {
        return target.format();
    }

    /** The packed bytes have to be a whole number of what they are called. */
    @Override
    public void check(String name, long rows, long cols) {
        QuantStorage storage = target.bnb4bitQuantStorage();
        long packed = (rows * cols + 1) / 2;
        if (packed % storage.dtype().bytes() != 0) {
            throw FormatErrors.oddStorage(name, packed, storage);
        }
    }

    @Override
    public Map<String, TensorInfo> tensors(String name, long rows, long cols) {
        long elements = rows * cols;
        DType storage = target.bnb4bitQuantStorage().dtype();
        boolean nested = target.bnb4bitUseDoubleQuant();
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        infos.put(name, new TensorInfo(storage, List.of((elements + 1) / 2 / storage.bytes(), 1L)));
        infos.put(name + PackedWeight.ABSMAX, vector(nested ? DType.U8 : DType.F32, format().blocks(elements)));
        infos.put(
                name + PackedWeight.QUANT_MAP,
                vector(DType.F32, target.bnb4bitQuantType().levels().length));
        if (nested) {
            infos.put(name + PackedWeight.NESTED_ABSMAX, vector(DType.F32, format().nestedBlocks(elements)));
            infos.put(name + PackedWeight.NESTED_QUANT_MAP, vector(DType.F32, DynamicMap.SIZE));
        }
        return infos;
    }

    private static TensorInfo vector(DType dtype, long size) {
        return new TensorInfo(dtype, List.of(size));
    }

    @Override
    public List<String> texts(String name) {
        return List.of(PackedWeight.state(name, target.bnb4bitQuantType()));
    }

    @Override
    public void write(String name, HeldWeight held, String dtype, SafetensorsAssembler to) throws IOException {
        QuantizedMatrix weight = held.in4bit();
        WeightForm.copyOut(device, weight.packed(), to.at(name));
        WeightForm.copyOut(device, weight.absmax(), to.at(name + PackedWeight.ABSMAX));
        to.at(name + PackedWeight.QUANT_MAP)
                .write(littleEndian(target.bnb4bitQuantType().levels()));
        float offset = 0;
        if (weight.format().doubleQuant()) {
            WeightForm.copyOut(device, weight.nestedAbsmax(), to.at(name + PackedWeight.NESTED_ABSMAX));
            to.at(name + PackedWeight.NESTED_QUANT_MAP).write(littleEndian(DynamicMap.signed()));
            ByteBuffer mean = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            device.copyOut(weight.nestedOffset(), mean);
            offset = mean.getFloat(0);
        }
        to.text(PackedWeight.state(name, target.bnb4bitQuantType()), QuantStateText.of(weight, dtype, offset));
    }

    private static ByteBuffer littleEndian(float[] values) {
        ByteBuffer buffer = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asFloatBuffer().put(values);
        return buffer;
    }

    /** A block size that is not 64 stands beside, where transformers ignores it. */
    @Override
    public void configure(ObjectNode quantization) {
        quantization.put("_load_in_4bit", true).put("_load_in_8bit", false);
        if (target.blockSize() != QuantizationConfig.DEFAULT_BLOCK_SIZE) {
            quantization.put("bnb_4bit_blocksize", target.blockSize());
        }
        DType compute = target.bnb4bitComputeDtype().dtype();
        quantization.put("bnb_4bit_compute_dtype", MergedFiles.torchName(compute));
        quantization.put("bnb_4bit_quant_storage", target.bnb4bitQuantStorage().torchName());
        quantization.put("bnb_4bit_quant_type", target.bnb4bitQuantType().name().toLowerCase(Locale.ROOT));
        quantization.put("bnb_4bit_use_double_quant", target.bnb4bitUseDoubleQuant());
        WeightForm.configureInt8(quantization, target);
    }
}
