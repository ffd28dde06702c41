// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The singular values and vectors of a sum of low-rank products, in F64, without ever making the sum: with {@code B = Qb·Rb} and
 * {@code Aᵀ = Qa·Ra} (the factors of all side by side), those of {@code B·A} are those of the small {@code Rb·Raᵀ}.
 */
final class LowRankSvd {

    private static final int MOST_SWEEPS = 60;
    private static final double ROUNDING = 1e-14;

    private LowRankSvd() {}

    /** {@code B = U·Σ} and {@code A = Vᵀ} of the first {@code rank} singular values, as PEFT splits them. */
    static AdapterModule of(List<WeightedModule> parts, int rank) {
        AdapterModule first = parts.get(0).module();
        List<double[]> a = new ArrayList<>();
        List<double[]> b = new ArrayList<>();
        for (WeightedModule part : parts) {
            for (int i = 0; i < part.module().rank(); i++) {
                int row = i;
                float[] own = part.module().a()[row];
                double factor = part.weight() * part.scaling();
                a.add(IntStream.range(0, own.length)
                        .mapToDouble(col -> factor * own[col])
                        .toArray());
                float[][] all = part.module().b();
                b.add(IntStream.range(0, all.length)
                        .mapToDouble(out -> all[out][row])
                        .toArray());
            }
        }
        return of(b.toArray(double[][]::new), a.toArray(double[][]::new), rank, first);
    }

    /** @param b columns of B; {@code a}: rows of A, as many */
    private static AdapterModule of(double[][] b, double[][] a, int rank, AdapterModule like) {
        double[][] rb = orthonormalize(b);
        double[][] ra = orthonormalize(a);
        int n = a.length;
        // columns of Rb·Raᵀ, and of the rotations that make them orthogonal
        double[][] core = new double[n][n];
        double[][] v = new double[n][n];
        for (int j = 0; j < n; j++) {
            v[j][j] = 1;
            for (int i = 0; i < n; i++) {
                for (int k = 0; k < n; k++) {
                    core[j][i] += rb[k][i] * ra[k][j];
                }
            }
        }
        rotate(core, v);
        List<Integer> order = IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.comparingDouble(j -> -dot(core[j], core[j])))
                .toList();
        float[][] outA = new float[rank][like.in()];
        float[][] outB = new float[like.out()][rank];
        for (int i = 0; i < Math.min(rank, n); i++) {
            double[] ofB = combine(b, core[order.get(i)]);
            double[] ofA = combine(a, v[order.get(i)]);
            for (int out = 0; out < outB.length; out++) {
                outB[out][i] = (float) ofB[out];
            }
            for (int in = 0; in < ofA.length; in++) {
                outA[i][in] = (float) ofA[in];
            }
        }
        return new AdapterModule(outA, outB);
    }

    /**
     * Makes columns orthonormal in place, by Gram and Schmidt's way twice; one that depends on those before it becomes zeros.
     *
     * @return the columns of R: what each was, in terms of what there is now
     */
    private static double[][] orthonormalize(double[][] columns) {
        double[][] r = new double[columns.length][columns.length];
        for (int j = 0; j < columns.length; j++) {
            double[] column = columns[j];
            double before = Math.sqrt(dot(column, column));
            for (int pass = 0; pass < 2; pass++) {
                for (int i = 0; i < j; i++) {
                    double part = dot(columns[i], column);
                    r[j][i] += part;
                    add(column, -part, columns[i]);
                }
            }
            double left = Math.sqrt(dot(column, column));
            boolean none = left <= before * ROUNDING;
            r[j][j] = none ? 0 : left;
            for (int i = 0; i < column.length; i++) {
                column[i] = none ? 0 : column[i] / left;
            }
        }
        return r;
    }

    /** Makes columns orthogonal by rotating two at a time (Hestenes, 1958); {@code v} is rotated likewise. */
    private static void rotate(double[][] columns, double[][] v) {
        boolean moved = true;
        for (int sweep = 0; moved && sweep < MOST_SWEEPS; sweep++) {
            moved = false;
            for (int i = 0; i < columns.length; i++) {
                for (int j = i + 1; j < columns.length; j++) {
                    moved |= rotate(columns, v, i, j);
                }
            }
        }
    }

    private static boolean rotate(double[][] columns, double[][] v, int i, int j) {
        double product = dot(columns[i], columns[j]);
        double ii = dot(columns[i], columns[i]);
        double jj = dot(columns[j], columns[j]);
        if (Math.abs(product) <= ROUNDING * Math.sqrt(ii * jj)) {
            return false;
        }
        double zeta = (jj - ii) / (2 * product);
        double tangent = Math.copySign(1, zeta) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        double cosine = 1 / Math.sqrt(1 + tangent * tangent);
        turn(columns[i], columns[j], cosine, cosine * tangent);
        turn(v[i], v[j], cosine, cosine * tangent);
        return true;
    }

    private static void turn(double[] x, double[] y, double cosine, double sine) {
        for (int k = 0; k < x.length; k++) {
            double was = x[k];
            x[k] = cosine * was - sine * y[k];
            y[k] = sine * was + cosine * y[k];
        }
    }

    private static double[] combine(double[][] columns, double[] factors) {
        double[] sum = new double[columns[0].length];
        for (int i = 0; i < columns.length; i++) {
            add(sum, factors[i], columns[i]);
        }
        return sum;
    }

    private static void add(double[] to, double factor, double[] from) {
        for (int i = 0; i < to.length; i++) {
            to[i] += factor * from[i];
        }
    }

    private static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += x[i] * y[i];
        }
        return sum;
    }
}
