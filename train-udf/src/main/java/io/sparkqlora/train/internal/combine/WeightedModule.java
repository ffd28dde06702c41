// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import java.util.List;

/**
 * A module of one of the adapters that are combined.
 *
 * @param weight the adapter's
 * @param scaling on the module's low-rank product
 */
record WeightedModule(AdapterModule module, double weight, double scaling) {

    /**
     * {@code A}s and {@code B}s added up, as PEFT does it and in its order of F32 operations: each times the root of its factor,
     * {@code A} with the factor's sign.
     *
     * @param rank of the result, whose last rows and columns are zeros where the modules have fewer
     */
    static AdapterModule linear(List<WeightedModule> parts, int rank) {
        AdapterModule first = parts.get(0).module();
        float[][] a = new float[rank][first.in()];
        float[][] b = new float[first.out()][rank];
        for (WeightedModule part : parts) {
            double factor = part.weight * part.scaling;
            float root = (float) Math.sqrt(Math.abs(factor));
            add(part.module.a(), factor >= 0 ? root : -root, a);
            add(part.module.b(), root, b);
        }
        return new AdapterModule(a, b);
    }

    private static void add(float[][] from, float factor, float[][] to) {
        for (int row = 0; row < from.length; row++) {
            for (int col = 0; col < from[row].length; col++) {
                to[row][col] += from[row][col] * factor;
            }
        }
    }

    /**
     * {@code A}s below each other, each times its weight and its scaling, and {@code B}s beside each other.
     *
     * @param rank of the result; what is left of it is zeros
     */
    static AdapterModule cat(List<WeightedModule> parts, int rank) {
        AdapterModule first = parts.get(0).module();
        float[][] a = new float[rank][first.in()];
        float[][] b = new float[first.out()][rank];
        int at = 0;
        for (WeightedModule part : parts) {
            float[][] own = part.module.a();
            for (int row = 0; row < own.length; row++) {
                for (int col = 0; col < own[row].length; col++) {
                    a[at + row][col] = own[row][col] * (float) part.weight * (float) part.scaling;
                }
            }
            for (int row = 0; row < b.length; row++) {
                System.arraycopy(part.module.b()[row], 0, b[row], at, own.length);
            }
            at += own.length;
        }
        return new AdapterModule(a, b);
    }
}
