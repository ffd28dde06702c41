// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The two matrices of one module, row by row.
 *
 * @param a [rank][in]
 * @param b [out][rank]
 */
record AdapterModule(float[][] a, float[][] b) {

    private static final String PREFIX = "base_model.model.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";

    /** Names of the modules that tensors are of, in their order. */
    static List<String> names(List<NamedTensor> tensors) {
        Set<String> names = new LinkedHashSet<>();
        for (NamedTensor tensor : tensors) {
            names.add(tensor.name().substring(PREFIX.length(), tensor.name().length() - A.length()));
        }
        return List.copyOf(names);
    }

    /** The name of a module's {@code A}. */
    static String nameOfA(String module) {
        return PREFIX + module + A;
    }

    /** The name of a module's {@code B}. */
    static String nameOfB(String module) {
        return PREFIX + module + B;
    }

    static AdapterModule of(NamedTensor a, NamedTensor b) {
        return new AdapterModule(rows(a), rows(b));
    }

    int rank() {
        return a.length;
    }

    int in() {
        return a[0].length;
    }

    int out() {
        return b.length;
    }

    /** The tensors, {@code A} first. */
    List<NamedTensor> tensors(String module) {
        return List.of(tensor(nameOfA(module), a), tensor(nameOfB(module), b));
    }

    private static float[][] rows(NamedTensor tensor) {
        int rows = Math.toIntExact(tensor.shape()[0]);
        int cols = Math.toIntExact(tensor.shape()[1]);
        ByteBuffer data = ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN);
        float[][] matrix = new float[rows][cols];
        for (float[] row : matrix) {
            data.asFloatBuffer().get(row);
            data.position(data.position() + cols * Float.BYTES);
        }
        return matrix;
    }

    private static NamedTensor tensor(String name, float[][] rows) {
        int cols = rows[0].length;
        ByteBuffer data = ByteBuffer.allocate(rows.length * cols * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float[] row : rows) {
            for (float value : row) {
                data.putFloat(value);
            }
        }
        return new NamedTensor(name, DType.F32, new long[] {rows.length, cols}, data.array());
    }
}
