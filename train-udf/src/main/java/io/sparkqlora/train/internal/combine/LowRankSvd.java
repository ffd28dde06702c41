// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import io.sparkqlora.train.internal.svd.OrthogonalRows;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The singular values and vectors of a sum of low-rank products, in F64, without ever making the sum: with {@code B = Qb·Rb} and
 * {@code Aᵀ = Qa·Ra} (the factors of all side by side), those of {@code B·A} are those of the small {@code Rb·Raᵀ}.
 */
final class LowRankSvd {

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
        double[][] rb = OrthogonalRows.orthonormalize(b);
        double[][] ra = OrthogonalRows.orthonormalize(a);
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
        OrthogonalRows.rotate(core, v);
        List<Integer> order = IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.comparingDouble(j -> -OrthogonalRows.dot(core[j], core[j])))
                .toList();
        float[][] outA = new float[rank][like.in()];
        float[][] outB = new float[like.out()][rank];
        for (int i = 0; i < Math.min(rank, n); i++) {
            double[] ofB = OrthogonalRows.combine(b, core[order.get(i)]);
            double[] ofA = OrthogonalRows.combine(a, v[order.get(i)]);
            for (int out = 0; out < outB.length; out++) {
                outB[out][i] = (float) ofB[out];
            }
            for (int in = 0; in < ofA.length; in++) {
                outA[i][in] = (float) ofA[in];
            }
        }
        return new AdapterModule(outA, outB);
    }
}
