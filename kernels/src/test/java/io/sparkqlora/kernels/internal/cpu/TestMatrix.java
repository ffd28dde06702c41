// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import java.util.Random;

/** Matrices in device memory that is poisoned first, so that what an operation should have written and did not shows. */
final class TestMatrix {

    private static final byte POISON = (byte) 0xff; // all ones is not-a-number in every float type

    private TestMatrix() {}

    /** A matrix of not-a-numbers, {@code gap} elements between its rows. */
    static Tensor poisoned(Device device, DType dtype, int rows, int cols, int gap) {
        long stride = (long) cols + gap;
        Memory memory = device.allocate((rows * stride + 8) * dtype.bytes(), "a test");
        Native.fill(memory.address(), memory.bytes(), POISON);
        return new Tensor(memory, 8L * dtype.bytes(), dtype, rows, cols, stride);
    }

    /** A matrix of normally distributed numbers between poisoned gaps. */
    static Tensor random(Device device, DType dtype, int rows, int cols, int gap, Random random) {
        Tensor tensor = poisoned(device, dtype, rows, cols, gap);
        float[] row = new float[cols];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                row[j] = (float) random.nextGaussian();
            }
            Rows.store(row, 0, cols, tensor, i, 0);
        }
        return tensor;
    }

    /** Its elements. */
    static double[][] read(Tensor tensor) {
        int cols = (int) tensor.cols();
        double[][] read = new double[(int) tensor.rows()][cols];
        float[] row = new float[cols];
        for (int i = 0; i < read.length; i++) {
            Rows.load(tensor, i, 0, cols, row, 0);
            for (int j = 0; j < cols; j++) {
                read[i][j] = row[j];
            }
        }
        return read;
    }

    /** Bits of its elements, row after row. */
    static int[] bits(Tensor tensor) {
        int cols = (int) tensor.cols();
        int[] bits = new int[(int) tensor.rows() * cols];
        float[] row = new float[cols];
        for (int i = 0; i < tensor.rows(); i++) {
            Rows.load(tensor, i, 0, cols, row, 0);
            for (int j = 0; j < cols; j++) {
                bits[i * cols + j] = Float.floatToRawIntBits(row[j]);
            }
        }
        return bits;
    }

    /** {@code scale · a·b + plus}; {@code plus} may be null. */
    static double[][] product(double[][] a, double[][] b, double scale, double[][] plus) {
        double[][] c = new double[a.length][b[0].length];
        for (int i = 0; i < c.length; i++) {
            for (int p = 0; p < b.length; p++) {
                for (int j = 0; j < c[i].length; j++) {
                    c[i][j] += scale * a[i][p] * b[p][j];
                }
            }
            for (int j = 0; plus != null && j < c[i].length; j++) {
                c[i][j] += plus[i][j];
            }
        }
        return c;
    }

    /** Of a matrix that has rows. */
    static double[][] transpose(double[][] matrix) {
        return transpose(matrix, matrix[0].length);
    }

    static double[][] transpose(double[][] matrix, int cols) {
        double[][] turned = new double[cols][matrix.length];
        for (int i = 0; i < matrix.length; i++) {
            for (int j = 0; j < cols; j++) {
                turned[j][i] = matrix[i][j];
            }
        }
        return turned;
    }

    /** The Frobenius norm of the difference, relative to the reference's; not-a-number anywhere fails. */
    static void assertClose(Tensor got, double[][] reference, double tolerance) {
        double error = 0;
        double norm = 0;
        double[][] values = read(got);
        for (int i = 0; i < values.length; i++) {
            for (int j = 0; j < values[i].length; j++) {
                assertThat(values[i][j]).as("element %d, %d", i, j).isFinite();
                error += (values[i][j] - reference[i][j]) * (values[i][j] - reference[i][j]);
                norm += reference[i][j] * reference[i][j];
            }
        }
        assertThat(Math.sqrt(error))
                .as("error, of a norm of %s", Math.sqrt(norm))
                .isLessThan(tolerance * Math.sqrt(norm));
    }

    /** For {@link #assertClose}: 1e-6 in F32, and in F16, which has three bits more, an eighth of what BF16 is given. */
    static double tolerance(DType dtype, double bf16) {
        return switch (dtype) {
            case F32 -> 1e-6;
            case F16 -> bf16 / 8;
            default -> bf16;
        };
    }

    /** The gaps between the rows are as {@link #poisoned} left them. */
    static void assertGapsUntouched(Tensor tensor) {
        long gap = (tensor.rowStride() - tensor.cols()) * tensor.dtype().bytes();
        for (long i = 0; i < tensor.rows(); i++) {
            long end = tensor.address(i) + tensor.cols() * tensor.dtype().bytes();
            for (long at = 0; at < gap; at++) {
                assertThat(Native.getByte(end + at)).as("after row %d", i).isEqualTo(POISON);
            }
        }
    }
}
