// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Reads how a weight in 4 bits is stored, and compares all that stands beside it.
 *
 * @param source where it is
 * @param weight its name
 * @param where what errors call the file
 */
record PackedWeightReader(WeightSource source, String weight, String where) {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final long MOST_STATE_BYTES = 1 << 16;
    private static final Set<String> DTYPES = Set.of("float32", "bfloat16", "float16");

    /** A map made by another version of PyTorch may differ in the last bit; it is the same map. */
    private static final float MAP_TOLERANCE = 1e-6f;

    PackedWeight read(long rows, long cols) {
        List<QuantFormat.Type> types = Arrays.stream(QuantFormat.Type.values())
                .filter(type -> source.contains(PackedWeight.state(weight, type)))
                .toList();
        if (types.size() != 1) {
            throw bad("one quant_state.bitsandbytes__nf4 or __fp4 is expected beside it, there are " + types.size());
        }
        QuantFormat.Type type = types.get(0);
        JsonNode state = json(PackedWeight.state(weight, type));
        require(state, "quant_type", type.name().toLowerCase(Locale.ROOT));
        requireShape(state, rows, cols);
        requireDtype(state);
        boolean nested = source.contains(weight + PackedWeight.NESTED_ABSMAX);
        if (nested != state.hasNonNull("nested_offset")) {
            throw bad("quant_state has " + (nested ? "no" : "a") + " nested_offset, but there is "
                    + (nested ? "a" : "no") + " nested_absmax beside it");
        }
        QuantFormat format = new QuantFormat(type, blockSize(state), nested);
        requireTensors(format, rows * cols);
        return new PackedWeight(weight, rows, cols, format, storage(rows * cols), nested ? offset(state) : 0f);
    }

    private JsonNode json(String name) {
        TensorInfo info = source.info(name);
        if (info.dtype() != DType.U8 || info.bytes() > MOST_STATE_BYTES) {
            throw bad("quant_state is " + info.dtype() + " " + info.shapeText() + ", a text in U8 is expected");
        }
        byte[] bytes = new byte[(int) info.bytes()];
        source.read(name).get(bytes);
        try {
            JsonNode state = JSON.readTree(new String(bytes, StandardCharsets.UTF_8));
            if (state != null && state.isObject()) {
                return state;
            }
        } catch (JsonProcessingException e) {
            throw bad("quant_state is no JSON");
        }
        throw bad("quant_state is no JSON object");
    }

    private void require(JsonNode state, String key, String expected) {
        if (!state.path(key).asText().equals(expected)) {
            throw bad("quant_state says " + key + " " + state.path(key) + ", expected " + expected);
        }
    }

    private void requireShape(JsonNode state, long rows, long cols) {
        JsonNode shape = state.path("shape");
        if (shape.size() != 2 || shape.get(0).asLong() != rows || shape.get(1).asLong() != cols) {
            throw bad("quant_state says shape " + shape + ", expected [" + rows + "," + cols + "] by config.json");
        }
    }

    private void requireDtype(JsonNode state) {
        if (!DTYPES.contains(state.path("dtype").asText())) {
            throw bad("quant_state says dtype " + state.path("dtype") + ", expected one of "
                    + String.join(", ", DTYPES.stream().sorted().toList()));
        }
    }

    private int blockSize(JsonNode state) {
        int size = state.path("blocksize").isInt() ? state.path("blocksize").asInt() : 0;
        if (size < QuantizationConfig.MIN_BLOCK_SIZE
                || size > QuantizationConfig.MAX_BLOCK_SIZE
                || Integer.bitCount(size) != 1) {
            throw bad("quant_state says blocksize " + state.path("blocksize")
                    + ", expected a power of two from 32 to 4096");
        }
        return size;
    }

    private float offset(JsonNode state) {
        require(state, "nested_blocksize", String.valueOf(QuantFormat.NESTED_BLOCK_SIZE));
        require(state, "nested_dtype", "float32");
        float offset = (float) state.path("nested_offset").asDouble();
        if (!state.path("nested_offset").isNumber() || !Float.isFinite(offset)) {
            throw bad("quant_state says nested_offset " + state.path("nested_offset") + ", expected a number");
        }
        return offset;
    }

    private void requireTensors(QuantFormat format, long elements) {
        requireTensor(PackedWeight.ABSMAX, format.doubleQuant() ? DType.U8 : DType.F32, format.blocks(elements));
        requireMap(PackedWeight.QUANT_MAP, format.type().levels());
        if (format.doubleQuant()) {
            requireTensor(PackedWeight.NESTED_ABSMAX, DType.F32, format.nestedBlocks(elements));
            requireMap(PackedWeight.NESTED_QUANT_MAP, DynamicMap.signed());
        }
    }

    private void requireTensor(String part, DType dtype, long size) {
        if (!source.contains(weight + part)) {
            throw bad(weight + part + " is missing");
        }
        TensorInfo info = source.info(weight + part);
        if (info.dtype() != dtype || !info.shape().equals(List.of(size))) {
            throw bad(part.substring(1) + " is " + info.dtype() + " " + info.shapeText() + ", expected " + dtype + " ["
                    + size + "]");
        }
    }

    private void requireMap(String part, float[] expected) {
        requireTensor(part, DType.F32, expected.length);
        ByteBuffer map = source.read(weight + part).duplicate().order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < expected.length; i++) {
            float value = map.getFloat();
            if (!(Math.abs(value - expected[i]) <= MAP_TOLERANCE)) {
                throw bad(part.substring(1) + " has " + value + " at " + i + ", bitsandbytes has " + expected[i]);
            }
        }
    }

    private QuantStorage storage(long elements) {
        TensorInfo info = source.info(weight);
        List<Long> shape = info.shape();
        long bytes = (elements + 1) / 2;
        if (shape.size() != 2 || shape.get(1) != 1 || info.bytes() != bytes) {
            throw bad("it is " + info.dtype() + " " + info.shapeText() + " of " + info.bytes()
                    + " bytes, expected one column of " + bytes + " bytes");
        }
        return Arrays.stream(QuantStorage.values())
                .filter(each -> each.dtype() == info.dtype())
                .findFirst()
                .orElseThrow(() -> bad(
                        "it is " + info.dtype() + ", expected one of " + String.join(", ", QuantStorage.torchNames())));
    }

    private QLoraException bad(String problem) {
        return FormatErrors.badPackedWeight(where, weight, problem);
    }
}
