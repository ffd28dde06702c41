// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * A part of the moments that is updated by itself, and moved by itself where moments are not where they are updated.
 *
 * @param from its first element in the adapter's flat buffers
 * @param to the element after its last
 * @param group of parameters, which has its own scalars
 * @param state its moments, where they are kept
 * @param update how they are updated
 */
record Page(long from, long to, int group, List<Tensor> state, Update update) {

    /** What a page of an update gets: the norm and factor of clipping, the scalars of the step. */
    record Scalars(Tensor normAndScale, Tensor factors) {

        /** The first scalars, for an optimizer that has so many. */
        Tensor first(int count) {
            return factors.colRange(0, count);
        }
    }

    /** Whether its moments have to be brought to the device to be updated. */
    boolean travels() {
        return !state.isEmpty() && Moments.onHost(state.get(0));
    }

    /** An update of the page's parameters from its gradients. */
    interface Update {
        /** @param state like the page's own, perhaps elsewhere */
        void run(Operations ops, Tensor parameter, Tensor gradient, List<Tensor> state, Scalars scalars);
    }

    long bytes() {
        return state.stream().mapToLong(Tensor::bytes).sum();
    }
}
