// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/** The cases that operations are tested on. */
final class Shapes {

    private static final List<int[]> SIZES = List.of(
            new int[] {1, 1}, new int[] {3, 7}, new int[] {5, 64}, new int[] {4, 72}, new int[] {2, 2048}, new int[] {
                3, 4099
            });

    private Shapes() {}

    /** Type, strided or not, rows, columns. */
    static Stream<Arguments> all() {
        return Stream.of(DType.F32, DType.BF16, DType.F16).flatMap(dtype -> Stream.of(false, true)
                .flatMap(strided -> SIZES.stream().map(size -> Arguments.of(dtype, strided, size[0], size[1]))));
    }

    static Matrix matrix(Device device, DType dtype, boolean strided, int rows, int cols) {
        return strided ? Matrix.strided(device, dtype, rows, cols) : Matrix.contiguous(device, dtype, rows, cols);
    }

    /** A function of a row and a column. */
    interface Reference {
        double at(int row, int col);
    }

    static double[][] reference(int rows, int cols, Reference reference) {
        double[][] out = new double[rows][cols];
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++) {
                out[r][c] = reference.at(r, c);
            }
        }
        return out;
    }
}
