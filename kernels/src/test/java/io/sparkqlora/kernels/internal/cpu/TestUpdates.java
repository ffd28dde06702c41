// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.LoraLinear.Update;
import java.util.List;

/** The updates of layers side by side, as one matrix. */
final class TestUpdates {

    private TestUpdates() {}

    /** Each layer's B in its own rows and columns, zeros elsewhere: [out, updates · rank]. */
    static double[][] matrix(List<Update> updates, int out, int rank) {
        double[][] whole = new double[out][updates.size() * rank];
        for (int i = 0; i < updates.size(); i++) {
            double[][] block = TestMatrix.read(updates.get(i).b().first());
            for (int row = 0; row < block.length; row++) {
                System.arraycopy(block[row], 0, whole[updates.get(i).from() + row], i * rank, rank);
            }
        }
        return whole;
    }
}
