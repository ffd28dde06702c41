// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.svd;

import java.util.stream.IntStream;

/**
 * Vectors of F64 that are made orthogonal, each of them a row of an array. Vectors are worked on side by side, each for itself, so
 * that bits don't depend on the threads.
 */
public final class OrthogonalRows {

    private static final int MOST_SWEEPS = 60;
    private static final double ROUNDING = 1e-14;
    private static final int PASSES = 2;

    private OrthogonalRows() {}

    /**
     * Makes rows orthonormal in place, by Gram and Schmidt's way twice; one that depends on those before it becomes zeros.
     *
     * @return what each was in terms of what there is now: row {@code j} was {@code Σ result[j][i] · row i}
     */
    public static double[][] orthonormalize(double[][] rows) {
        double[][] all = null;
        for (int pass = 0; pass < PASSES; pass++) {
            double[][] r = once(rows);
            all = all == null ? r : product(all, r);
        }
        return all;
    }

    private static double[][] once(double[][] rows) {
        int n = rows.length;
        double[] before = lengths(rows);
        double[][] r = new double[n][n];
        for (int i = 0; i < n; i++) {
            double left = Math.sqrt(dot(rows[i], rows[i]));
            boolean none = left <= before[i] * ROUNDING;
            r[i][i] = none ? 0 : left;
            for (int k = 0; k < rows[i].length; k++) {
                rows[i][k] = none ? 0 : rows[i][k] / left;
            }
            int unit = i;
            IntStream.range(i + 1, n).parallel().forEach(j -> {
                r[j][unit] = dot(rows[unit], rows[j]);
                add(rows[j], -r[j][unit], rows[unit]);
            });
        }
        return r;
    }

    private static double[] lengths(double[][] rows) {
        double[] lengths = new double[rows.length];
        IntStream.range(0, rows.length).parallel().forEach(i -> lengths[i] = Math.sqrt(dot(rows[i], rows[i])));
        return lengths;
    }

    private static double[][] product(double[][] a, double[][] b) {
        double[][] c = new double[a.length][];
        IntStream.range(0, a.length).parallel().forEach(i -> c[i] = combine(b, a[i]));
        return c;
    }

    /** Makes rows orthogonal by rotating two at a time (Hestenes, 1958); {@code others} are rotated likewise. */
    public static void rotate(double[][] rows, double[][] others) {
        boolean moved = true;
        for (int sweep = 0; moved && sweep < MOST_SWEEPS; sweep++) {
            moved = false;
            for (int i = 0; i < rows.length; i++) {
                for (int j = i + 1; j < rows.length; j++) {
                    moved |= rotate(rows, others, i, j);
                }
            }
        }
    }

    private static boolean rotate(double[][] rows, double[][] others, int i, int j) {
        double product = dot(rows[i], rows[j]);
        double ii = dot(rows[i], rows[i]);
        double jj = dot(rows[j], rows[j]);
        if (Math.abs(product) <= ROUNDING * Math.sqrt(ii * jj)) {
            return false;
        }
        double zeta = (jj - ii) / (2 * product);
        double tangent = Math.copySign(1, zeta) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        double cosine = 1 / Math.sqrt(1 + tangent * tangent);
        turn(rows[i], rows[j], cosine, cosine * tangent);
        turn(others[i], others[j], cosine, cosine * tangent);
        return true;
    }

    private static void turn(double[] x, double[] y, double cosine, double sine) {
        for (int k = 0; k < x.length; k++) {
            double was = x[k];
            x[k] = cosine * was - sine * y[k];
            y[k] = sine * was + cosine * y[k];
        }
    }

    /** {@code Σ factors[i] · rows[i]}. */
    public static double[] combine(double[][] rows, double[] factors) {
        double[] sum = new double[rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            add(sum, factors[i], rows[i]);
        }
        return sum;
    }

    private static void add(double[] to, double factor, double[] from) {
        for (int i = 0; i < to.length; i++) {
            to[i] += factor * from[i];
        }
    }

    /** Their product, added up in the order of the elements. */
    public static double dot(double[] x, double[] y) {
        double sum = 0;
        for (int i = 0; i < x.length; i++) {
            sum += x[i] * y[i];
        }
        return sum;
    }
}
