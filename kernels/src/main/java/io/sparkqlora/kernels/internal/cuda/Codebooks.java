// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Tables of the 4-bit formats in device memory: for each the dynamic map, then the sixteen levels by code. */
final class Codebooks {

    private static final int CODES = 16;
    private static final int FLOATS = DynamicMap.SIZE + CODES;
    static final int BYTES = 2 * FLOATS * Float.BYTES;

    private final Device device;
    private Memory memory;

    Codebooks(Device device) {
        this.device = device;
    }

    /** Address of the tables of a type. */
    long address(QuantFormat.Type type) {
        if (memory == null) {
            memory = upload();
        }
        int place = type == QuantFormat.Type.NF4 ? 0 : 1;
        return memory.address() + (long) place * FLOATS * Float.BYTES;
    }

    private Memory upload() {
        ByteBuffer tables = ByteBuffer.allocate(BYTES).order(ByteOrder.nativeOrder());
        put(tables, QuantFormat.Type.NF4.levels());
        put(tables, QuantFormat.Type.FP4.levels());
        Memory target = device.allocate(BYTES, "the tables of the 4-bit formats");
        device.copyIn(tables.flip(), Tensor.of(target, DType.U8, 1, BYTES));
        return target;
    }

    private static void put(ByteBuffer tables, float[] levels) {
        for (float value : DynamicMap.signed()) {
            tables.putFloat(value);
        }
        for (float level : levels) {
            tables.putFloat(level);
        }
    }

    /** Code of each rank: the codes in ascending order of their levels, equal levels in the order of the codes. */
    static int[] codesByRank(float[] levels) {
        int[] codes = new int[CODES];
        for (int code = 0; code < CODES; code++) {
            int rank = 0;
            for (int other = 0; other < CODES; other++) {
                if (levels[other] < levels[code] || (levels[other] == levels[code] && other < code)) {
                    rank++;
                }
            }
            codes[rank] = code;
        }
        return codes;
    }
}
