// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.svd;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.InitErrors;
import io.sparkqlora.train.internal.linear.SplitMix;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/**
 * The leading singular triplets of a matrix on a device by subspace iteration (Halko, Martinsson and Tropp, 2011): products with the
 * matrix are the device's, in F32, and a block of a few vectors is made orthogonal on the host, in F64. It is a function of the matrix,
 * the rank, the number of iterations and the name.
 *
 * <p>With a number of iterations it makes as many, as {@code torch.svd_lowrank} does, on a few vectors more. Without, it goes on until
 * each triplet is one to {@link #TOLERANCE}, and between two looks multiplies with a Chebyshev polynomial of {@code WᵀW} that is small
 * on what is outside the block (Zhou and others, 2006), which makes short work of singular values that lie close together.
 */
public final class LeadingTriplets {

    /** How far {@code Wᵀu} may be from {@code σv}, as a part of the largest singular value. */
    static final double TOLERANCE = 1e-5;

    private static final int MOST_ITERATIONS = 200;
    private static final int MORE_VECTORS = 16;
    private static final int MOST_DEGREE = 12;
    /** Of the largest singular value beside the smallest of the block: F32 has seven digits. */
    private static final double MOST_GAIN = 1e4;

    private static final int SEED = 0;

    /**
     * Room for blocks of vectors.
     *
     * @param right [block, cols]; {@code before} and {@code spare} likewise, for the polynomial
     * @param left [block, rows]
     */
    public record Buffers(Tensor right, Tensor before, Tensor spare, Tensor left) {

        /** Takes them for a matrix of this shape. */
        public static Buffers take(Arena arena, long rows, long cols, int rank) {
            int block = block(rows, cols, rank);
            return new Buffers(
                    arena.take(DType.F32, block, cols),
                    arena.take(DType.F32, block, cols),
                    arena.take(DType.F32, block, cols),
                    arena.take(DType.F32, block, rows));
        }
    }

    private final Device device;
    private final Tensor matrix;
    private final Buffers buffers;
    private final int rank;

    private LeadingTriplets(Device device, Tensor matrix, Buffers buffers, int rank) {
        this.device = device;
        this.matrix = matrix;
        this.buffers = buffers;
        this.rank = rank;
    }

    private static int block(long rows, long cols, int rank) {
        return Math.toIntExact(Math.min(Math.min(rows, cols), 2L * rank + MORE_VECTORS));
    }

    /**
     * Finds them.
     *
     * @param matrix F32 [rows, cols]
     * @param rank how many, at most the shorter side
     * @param iterations how many to make; 0 for as many as it takes
     * @param name for the vectors to start from, and for the error
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if it takes too many, INPUT if the matrix is not finite
     */
    public static LowRank of(Device device, Tensor matrix, Buffers buffers, int rank, int iterations, String name) {
        Triplets found = new LeadingTriplets(device, matrix, buffers, rank).find(iterations, name);
        return LowRank.of(found, rank);
    }

    private Triplets find(int iterations, String name) {
        double[][] vectors = random(name);
        OrthogonalRows.orthonormalize(vectors);
        double wrong = 0;
        for (int i = 0; i <= (iterations == 0 ? MOST_ITERATIONS : iterations); i++) {
            Triplets triplets = Triplets.of(vectors, images(vectors));
            double[][] back = back(triplets.left());
            double error = error(triplets, back);
            if (!Double.isFinite(error)) {
                throw InitErrors.notFinite(name);
            }
            if (iterations == 0 ? error <= TOLERANCE * triplets.values()[0] : i == iterations) {
                // once more from this side, which is the better one
                Triplets turned = Triplets.of(triplets.left(), back);
                return new Triplets(turned.right(), turned.values(), turned.left());
            }
            wrong = error / triplets.values()[0];
            if (iterations == 0) {
                filter(triplets, back);
            }
            OrthogonalRows.orthonormalize(back);
            vectors = back;
        }
        throw InitErrors.notConverged(name, MOST_ITERATIONS, wrong, TOLERANCE);
    }

    private double[][] random(String name) {
        SplitMix random = new SplitMix(SEED, name);
        double[][] rows = new double[Math.toIntExact(buffers.right().rows())][Math.toIntExact(matrix.cols())];
        for (double[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                row[i] = random.nextNormal();
            }
        }
        return rows;
    }

    private double[][] images(double[][] vectors) {
        write(vectors, buffers.right());
        device.ops().matmul().linear(buffers.right(), matrix, buffers.left());
        return read(buffers.left());
    }

    private double[][] back(double[][] left) {
        write(left, buffers.left());
        device.ops().matmul().multiply(buffers.left(), false, matrix, false, 1f, 0f, buffers.right());
        return read(buffers.right());
    }

    private double error(Triplets triplets, double[][] back) {
        return IntStream.range(0, rank)
                .parallel()
                .mapToDouble(i -> {
                    double sum = 0;
                    for (int k = 0; k < back[i].length; k++) {
                        double difference = back[i][k] - triplets.values()[i] * triplets.right()[i][k];
                        sum += difference * difference;
                    }
                    return Math.sqrt(sum);
                })
                .max()
                .orElseThrow();
    }

    /**
     * Makes of the {@code back[i] = Wᵀu} the polynomial of {@code WᵀW} times the right vectors, by its recursion:
     * {@code T₁ = (2/c · WᵀW − 1)}, {@code T = 2 · T₁ · T′ − T″}, with {@code c} the block's smallest squared singular value.
     */
    private void filter(Triplets triplets, double[][] back) {
        double[] values = triplets.values();
        double c = values[values.length - 1] * values[values.length - 1];
        int degree = degree(2 * values[0] * values[0] / c - 1);
        if (degree < 2) {
            return;
        }
        for (int i = 0; i < back.length; i++) {
            for (int k = 0; k < back[i].length; k++) {
                back[i][k] = 2 / c * values[i] * back[i][k] - triplets.right()[i][k];
            }
        }
        Tensor before = buffers.before();
        Tensor now = buffers.right();
        write(triplets.right(), before);
        write(back, now);
        for (int i = 2; i <= degree; i++) {
            device.ops().matmul().linear(now, matrix, buffers.left());
            device.ops().elementwise().scale(before, -1f, before);
            device.ops().elementwise().scale(now, -2f, buffers.spare());
            device.ops().elementwise().add(before, buffers.spare(), before);
            device.ops().matmul().multiply(buffers.left(), false, matrix, false, (float) (4 / c), 1f, before);
            Tensor next = before;
            before = now;
            now = next;
        }
        System.arraycopy(read(now), 0, back, 0, back.length);
    }

    /** The highest degree whose polynomial is not too large at {@code x}, where the largest singular value comes to lie. */
    private static int degree(double x) {
        if (!(x < MOST_GAIN)) {
            return 1;
        }
        double before = 1;
        double now = x;
        for (int degree = 1; degree < MOST_DEGREE; degree++) {
            double next = 2 * x * now - before;
            if (!(next <= MOST_GAIN)) {
                return degree;
            }
            before = now;
            now = next;
        }
        return MOST_DEGREE;
    }

    private void write(double[][] rows, Tensor to) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(to.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        for (double[] row : rows) {
            for (double value : row) {
                bytes.putFloat((float) value);
            }
        }
        device.copyIn(bytes.flip(), to);
    }

    private double[][] read(Tensor from) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(from.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(from, bytes);
        double[][] rows = new double[Math.toIntExact(from.rows())][Math.toIntExact(from.cols())];
        for (double[] row : rows) {
            for (int i = 0; i < row.length; i++) {
                row[i] = bytes.getFloat();
            }
        }
        return rows;
    }
}
