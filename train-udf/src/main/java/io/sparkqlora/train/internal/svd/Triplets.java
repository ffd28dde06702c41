// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.svd;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Singular values in falling order with their vectors.
 *
 * @param left vectors on the side of what a matrix writes, one a row
 * @param values as many
 * @param right vectors on the side of what it reads, one a row
 */
record Triplets(double[][] left, double[] values, double[][] right) {

    /**
     * Those of a map that is known on a few orthonormal vectors.
     *
     * @param vectors one a row
     * @param images what becomes of each; used up
     * @return {@code left} in the space of the images, {@code right} in that of the vectors
     */
    static Triplets of(double[][] vectors, double[][] images) {
        int n = images.length;
        double[][] core = OrthogonalRows.orthonormalize(images);
        double[][] turned = new double[n][n];
        for (int i = 0; i < n; i++) {
            turned[i][i] = 1;
        }
        OrthogonalRows.rotate(core, turned);
        double[] lengths = IntStream.range(0, n)
                .mapToDouble(i -> Math.sqrt(OrthogonalRows.dot(core[i], core[i])))
                .toArray();
        List<Integer> order = IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -lengths[i]))
                .toList();
        double[][] left = new double[n][];
        double[][] right = new double[n][];
        double[] values = new double[n];
        IntStream.range(0, n).parallel().forEach(i -> {
            int from = order.get(i);
            values[i] = lengths[from];
            double length = lengths[from];
            for (int k = 0; k < n; k++) {
                core[from][k] = length == 0 ? 0 : core[from][k] / length;
            }
            left[i] = OrthogonalRows.combine(images, core[from]);
            right[i] = OrthogonalRows.combine(vectors, turned[from]);
        });
        return new Triplets(left, values, right);
    }
}
