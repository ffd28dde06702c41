// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import java.util.Random;

/** A tensor of a test, poisoned with not-a-numbers, with columns beside it that nothing may touch. */
final class Matrix {

    private static final byte POISON = (byte) 0xff;
    private static final int GAP = 5;
    /** With these the rows of a matrix of a multiple of 32 columns begin at multiples of 16 bytes: a GPU has kernels for such. */
    private static final int ALIGNED_GAP = 8;

    final Tensor tensor;
    private final Tensor whole;

    private Matrix(Tensor whole, Tensor tensor) {
        this.whole = whole;
        this.tensor = tensor;
    }

    /** Rows with gaps between them. */
    static Matrix strided(Device device, DType dtype, int rows, int cols) {
        int gap = cols % 32 == 0 ? ALIGNED_GAP : GAP;
        return within(poisoned(device, dtype, rows, cols + 2 * gap), gap, cols);
    }

    static Matrix contiguous(Device device, DType dtype, int rows, int cols) {
        return within(poisoned(device, dtype, rows, cols), 0, cols);
    }

    private static Tensor poisoned(Device device, DType dtype, int rows, int cols) {
        Memory memory = device.allocate((long) rows * cols * dtype.bytes(), "a test");
        Native.fill(memory.address(), memory.bytes(), POISON);
        return Tensor.of(memory, dtype, rows, cols);
    }

    private static Matrix within(Tensor whole, int at, int cols) {
        return new Matrix(whole, whole.colRange(at, at + cols));
    }

    /** Normal numbers times {@code scale}. */
    Matrix random(long seed, double scale) {
        Random random = new Random(seed);
        for (int r = 0; r < tensor.rows(); r++) {
            for (int c = 0; c < tensor.cols(); c++) {
                set(r, c, (float) (random.nextGaussian() * scale));
            }
        }
        return this;
    }

    Matrix ints(int... values) {
        Native.store(values, 0, values.length, tensor.address());
        return this;
    }

    void set(int row, int col, float value) {
        Rows.store(new float[] {value}, 0, 1, tensor, row, col);
    }

    float get(int row, int col) {
        float[] value = new float[1];
        Rows.load(tensor, row, col, 1, value, 0);
        return value[0];
    }

    double[][] values() {
        double[][] out = new double[(int) tensor.rows()][(int) tensor.cols()];
        for (int r = 0; r < out.length; r++) {
            for (int c = 0; c < out[r].length; c++) {
                out[r][c] = get(r, c);
            }
        }
        return out;
    }

    byte[] bytes() {
        byte[] out = new byte[(int) whole.bytes()];
        Native.load(whole.address(), out, 0, out.length);
        return out;
    }

    /**
     * Each element is near the reference, in units of the largest of it: 2e-6 in F32, in BF16 and F16 half a unit of their 8 and 11
     * bits (and a little) of the element itself; and nothing beside the rows was written.
     */
    void assertNear(double[][] expected, String what) {
        assertNear(expected, 1e-30, what);
    }

    /** The same where the reference is the difference of numbers as large as {@code terms}. */
    void assertNear(double[][] expected, double terms, String what) {
        double largest = terms;
        for (double[] row : expected) {
            for (double x : row) {
                largest = Math.max(largest, Math.abs(x));
            }
        }
        double relative = 0x1.01p0 * rounding(tensor.dtype());
        double smallest = tensor.dtype() == DType.F16 ? 0x1p-25 : 0; // half a denormal
        for (int r = 0; r < expected.length; r++) {
            for (int c = 0; c < expected[r].length; c++) {
                double tolerance = smallest + 2e-6 * largest + relative * Math.abs(expected[r][c]);
                assertThat((double) get(r, c))
                        .as("%s, %s, row %d, column %d of %d", what, tensor.dtype(), r, c, expected[r].length)
                        .isCloseTo(expected[r][c], offset(tolerance));
            }
        }
        assertGapsUntouched();
    }

    /** Half a unit of a type's last bit, relative; 0 for F32. */
    static double rounding(DType dtype) {
        return switch (dtype) {
            case BF16 -> 0x1p-8;
            case F16 -> 0x1p-11;
            default -> 0;
        };
    }

    void assertGapsUntouched() {
        long width = tensor.dtype().bytes();
        for (long r = 0; r < tensor.rows(); r++) {
            for (long at = whole.address(r); at < whole.address(r) + whole.cols() * width; at++) {
                boolean inside = at >= tensor.address(r) && at < tensor.address(r) + tensor.cols() * width;
                assertThat(inside || Native.getByte(at) == POISON)
                        .as("the gap in row %d", r)
                        .isTrue();
            }
        }
    }
}
