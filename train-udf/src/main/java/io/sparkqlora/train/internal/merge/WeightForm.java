// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.internal.safetensors.SafetensorsAssembler;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;

/** How a quantised weight is written: tensors and texts, as transformers and bitsandbytes save them. */
interface WeightForm {

    /** As a configuration says. */
    static WeightForm of(Device device, QuantizationConfig target) {
        return target.loadIn8bit() ? new Int8Form(device, target) : new PackedForm(device, target);
    }

    /** The 4-bit format; null for 8 bits. */
    QuantFormat format();

    /**
     * Refuses a weight that can't be written so.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG
     */
    void check(String name, long rows, long cols);

    /** What a weight becomes, but for texts. */
    Map<String, TensorInfo> tensors(String name, long rows, long cols);

    /** Names of texts of a weight. */
    List<String> texts(String name);

    /**
     * Writes a weight.
     *
     * @param dtype that transformers dequantises it to
     */
    void write(String name, HeldWeight weight, String dtype, SafetensorsAssembler to) throws IOException;

    /** Fills {@code quantization_config}, in the order of {@code BitsAndBytesConfig.to_dict}. */
    void configure(ObjectNode quantization);

    /** Copies a vector, or a contiguous matrix. */
    static void copyOut(Device device, Tensor from, Sink sink) throws IOException {
        final long pieceBytes = 64L << 20;
        Tensor vector = from.reshape(1, from.size());
        long step = pieceBytes / vector.dtype().bytes();
        for (long at = 0; at < vector.cols(); at += step) {
            Tensor piece = vector.colRange(at, Math.min(vector.cols(), at + step));
            ByteBuffer bytes = ByteBuffer.allocateDirect(Math.toIntExact(piece.bytes()));
            device.copyOut(piece, bytes);
            sink.write(bytes.clear());
        }
    }

    /** What both forms say behind their own. */
    static void configureInt8(ObjectNode quantization, QuantizationConfig target) {
        quantization.put("llm_int8_enable_fp32_cpu_offload", false).put("llm_int8_has_fp16_weight", false);
        if (target.llmInt8SkipModules().patterns() == null) {
            quantization.putNull("llm_int8_skip_modules");
        } else {
            ArrayNode skipped = quantization.putArray("llm_int8_skip_modules");
            target.llmInt8SkipModules().patterns().forEach(skipped::add);
        }
        double threshold = target.loadIn8bit() ? target.llmInt8Threshold() : QuantizationConfig.DEFAULT_INT8_THRESHOLD;
        quantization.put("llm_int8_threshold", threshold);
        quantization.put("load_in_4bit", !target.loadIn8bit()).put("load_in_8bit", target.loadIn8bit());
        quantization.put("quant_method", "bitsandbytes");
    }
}
