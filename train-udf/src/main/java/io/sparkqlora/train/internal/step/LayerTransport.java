// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.Collective;

/** How the parts of a layer come together in its image; when they do is {@link LayerGathers}' business. */
interface LayerTransport {

    /**
     * Ranks have come together that weren't before. On the thread that drives the device, as {@link #release} and {@link
     * #await}.
     *
     * @param partOfRank which part of every layer each keeps
     */
    void join(Collective collective, int[] partOfRank);

    /** What was issued until now is the last that reads the image of this layer for what it holds. */
    void release(int layer);

    /**
     * Gathers; returns when the layer is whole, or fails. On the ring's thread, in an order that all ranks have in common.
     *
     * @param begun to be run as soon as {@link #await} may be called
     */
    void gather(int layer, Runnable begun);

    /** What is issued from now on finds the layer whole. */
    void await(int layer);
}
