// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * Pages of host memory brought to the device and put back while operations run: one queue each way. What is brought lies in
 * slots, buffers of the device that the caller owns and uses one after the other:
 *
 * <pre>{@code
 * in(0, …); in(1, …);
 * await(0); operations on slot 0; out(0, …); in(0, …);
 * await(1); operations on slot 1; out(1, …);
 * …
 * finish();
 * }</pre>
 */
public interface PageQueue extends AutoCloseable {

    /**
     * Brings host tensors to tensors of the same sizes. Begins when the operations issued before have run and what was put out
     * of this slot has left.
     */
    void in(int slot, List<Tensor> host, List<Tensor> device);

    /** Operations issued from now on begin when what was brought into this slot is there. */
    void await(int slot);

    /** Puts tensors back when the operations issued before have run. */
    void out(int slot, List<Tensor> device, List<Tensor> host);

    /** Operations issued from now on begin when nothing is under way. */
    void finish();

    /** Ends it; what is under way is waited for. */
    @Override
    void close();
}
