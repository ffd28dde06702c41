// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.internal.checkpoint.Int8Weight;
import io.sparkqlora.train.internal.safetensors.SafetensorsAssembler;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Weights in 8 bits, as {@link Int8Weight} reads them.
 *
 * @param device that they are on
 * @param target what the configuration says
 */
record Int8Form(Device device, QuantizationConfig target) implements WeightForm {

    @Override
    public QuantFormat format() {
        return null;
    }

    /** Every shape has rows. */
    @Override
    public void check(String name, long rows, long cols) {}

    @Override
    public Map<String, TensorInfo> tensors(String name, long rows, long cols) {
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        infos.put(name, new TensorInfo(DType.I8, List.of(rows, cols)));
        infos.put(Int8Weight.scales(name), new TensorInfo(DType.F32, List.of(rows)));
        infos.put(Int8Weight.format(name), new TensorInfo(DType.U8, List.of()));
        return infos;
    }

    @Override
    public List<String> texts(String name) {
        return List.of();
    }

    @Override
    public void write(String name, HeldWeight weight, String dtype, SafetensorsAssembler to) throws IOException {
        WeightForm.copyOut(device, weight.in8bit().codes(), to.at(name));
        WeightForm.copyOut(device, weight.in8bit().absmax(), to.at(Int8Weight.scales(name)));
        to.at(Int8Weight.format(name)).write(ByteBuffer.allocate(1));
    }

    /** What is said of 4 bits are {@code BitsAndBytesConfig}'s defaults. */
    @Override
    public void configure(ObjectNode quantization) {
        quantization.put("_load_in_4bit", false).put("_load_in_8bit", true);
        quantization.put("bnb_4bit_compute_dtype", "float32").put("bnb_4bit_quant_storage", "uint8");
        quantization.put("bnb_4bit_quant_type", "fp4").put("bnb_4bit_use_double_quant", false);
        WeightForm.configureInt8(quantization, target);
    }
}
