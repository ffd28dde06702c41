// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.svd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.SplitMix;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Comparator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Beside a full decomposition in F64 by rotations (Hestenes, 1958), and where singular values are known beforehand. */
class LeadingTripletsTest {

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({"90, 130, 4", "130, 90, 4", "24, 200, 24", "200, 24, 8", "5, 7, 1", "300, 260, 16"})
    void noiseWhoseSingularValuesLieCloseTogether(int rows, int cols, int rank) {
        double[][] matrix = noise(rows, cols);

        LowRank found = find(matrix, rank, 0);

        double[] expected = values(matrix);
        for (int i = 0; i < rank; i++) {
            assertThat(found.values()[i]).as("value " + i).isCloseTo(expected[i], within(1e-5 * expected[0]));
        }
        // no product of this rank is nearer (Eckart and Young, 1936)
        double rest =
                Arrays.stream(expected).skip(rank).map(value -> value * value).sum();
        assertThat(Math.sqrt(distance(matrix, found))).isCloseTo(Math.sqrt(rest), within(1e-5 * expected[0]));
    }

    @ParameterizedTest
    @CsvSource({"0, 2e-5", "1, 2e-2", "4, 1e-4"})
    void valuesThatFallAreFoundInFewIterations(int iterations, double allowed) {
        int rows = 180;
        int cols = 150;
        double[][] matrix = new double[rows][cols];
        // cosines of whole frequencies are orthogonal: row r and column c of frequency f are closed forms
        for (int f = 0; f < 60; f++) {
            double value = 100 * Math.pow(0.8, f);
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < cols; c++) {
                    matrix[r][c] += value * cosine(f, r, rows) * cosine(f, c, cols);
                }
            }
        }

        LowRank found = find(matrix, 8, iterations);

        for (int i = 0; i < 8; i++) {
            assertThat(found.values()[i]).isCloseTo(100 * Math.pow(0.8, i), within(1e-4));
            double along = 0;
            for (int c = 0; c < cols; c++) {
                along += found.right()[i][c] * cosine(i, c, cols);
            }
            assertThat(1 - Math.abs(along)).as("vector " + i).isLessThan(allowed);
        }
    }

    @Test
    void aMatrixOfLowerRankHasZerosThen() {
        double[][] matrix = new double[40][30];
        for (int r = 0; r < 40; r++) {
            for (int c = 0; c < 30; c++) {
                matrix[r][c] = (r + 1) * (c % 3 - 1);
            }
        }

        LowRank found = find(matrix, 4, 0);

        assertThat(found.values()[0]).isCloseTo(Math.sqrt(22140.0 * 20), within(1e-2));
        assertThat(found.values()[1]).isLessThan(1e-3);
        assertThat(distance(matrix, found)).isLessThan(1e-3);
        assertThat(find(new double[40][30], 4, 0).values()).containsOnly(0.0);
    }

    @Test
    void theSameBitsEachTime() {
        double[][] matrix = noise(120, 80);
        LowRank one = find(matrix, 6, 0);
        LowRank other = find(matrix, 6, 0);

        assertThat(one.a("a", 2).data()).isEqualTo(other.a("a", 2).data());
        assertThat(one.b("b", 2).data()).isEqualTo(other.b("b", 2).data());
    }

    @Test
    void aMatrixOfNoNumbersEndsWithTheModulesName() {
        double[][] matrix = noise(70, 60);
        matrix[3][4] = Double.NaN;

        assertThatThrownBy(() -> find(matrix, 4, 0))
                .hasMessageContaining("QLORA-T215")
                .hasMessageContaining("q_proj");
    }

    private LowRank find(double[][] matrix, int rank, int iterations) {
        int rows = matrix.length;
        int cols = matrix[0].length;
        Arena counting = new PlanningDevice().unboundedArena();
        counting.take(DType.F32, rows, cols);
        LeadingTriplets.Buffers.take(counting, rows, cols, rank);
        try (Memory memory = device.allocate(counting.peakBytes(), "a test")) {
            Arena arena = new Arena(memory);
            Tensor tensor = arena.take(DType.F32, rows, cols);
            LeadingTriplets.Buffers buffers = LeadingTriplets.Buffers.take(arena, rows, cols, rank);
            ByteBuffer bytes = ByteBuffer.allocateDirect((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            for (double[] row : matrix) {
                for (double value : row) {
                    bytes.putFloat((float) value);
                }
            }
            device.copyIn(bytes.flip(), tensor);
            return LeadingTriplets.of(device, tensor, buffers, rank, iterations, "q_proj");
        }
    }

    private static double cosine(int frequency, int i, int n) {
        double norm = frequency == 0 ? Math.sqrt(1.0 / n) : Math.sqrt(2.0 / n);
        return norm * Math.cos(Math.PI * frequency * (i + 0.5) / n);
    }

    private static double[][] noise(int rows, int cols) {
        SplitMix random = new SplitMix(5, rows + "×" + cols);
        double[][] matrix = new double[rows][cols];
        for (double[] row : matrix) {
            for (int i = 0; i < cols; i++) {
                row[i] = (float) random.nextNormal();
            }
        }
        return matrix;
    }

    /** All singular values, in falling order. */
    private static double[] values(double[][] matrix) {
        double[][] rows = Arrays.stream(matrix).map(double[]::clone).toArray(double[][]::new);
        OrthogonalRows.rotate(rows, new double[rows.length][0]);
        return Arrays.stream(rows)
                .map(row -> Math.sqrt(OrthogonalRows.dot(row, row)))
                .sorted(Comparator.reverseOrder())
                .mapToDouble(Double::doubleValue)
                .toArray();
    }

    /** Squared, of the product as an adapter of scaling 2 has it. */
    private static double distance(double[][] matrix, LowRank found) {
        ByteBuffer a = ByteBuffer.wrap(found.a("a", 2).data()).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer b = ByteBuffer.wrap(found.b("b", 2).data()).order(ByteOrder.LITTLE_ENDIAN);
        int rank = found.values().length;
        int cols = matrix[0].length;
        double sum = 0;
        for (int r = 0; r < matrix.length; r++) {
            for (int c = 0; c < cols; c++) {
                double product = 0;
                for (int i = 0; i < rank; i++) {
                    product +=
                            2.0 * b.getFloat((r * rank + i) * Float.BYTES) * a.getFloat((i * cols + c) * Float.BYTES);
                }
                sum += (matrix[r][c] - product) * (matrix[r][c] - product);
            }
        }
        return sum;
    }
}
