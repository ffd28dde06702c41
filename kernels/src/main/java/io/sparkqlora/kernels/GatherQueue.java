// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * Parts that the members of a group keep, brought together on every one of them while operations run. They come into slots,
 * buffers of the device that the caller owns and uses one after the other:
 *
 * <pre>{@code
 * release(0); begin(0, …); finish(0);
 * await(0); operations on slot 0; release(0); begin(0, …); …
 * }</pre>
 *
 * <p>{@code release} and {@code await} are for the thread that drives the device, {@code begin} and {@code finish} for one
 * other: what waits for other members is not what issues operations. Every member begins with the same gathers in the same
 * order, and comes to each soon: a member that doesn't leaves the others' devices waiting until {@code finish} gives it up.
 */
public interface GatherQueue {

    /** The operations issued until now are the last that need what is in the slot. */
    void release(int slot);

    /**
     * Begins with a gather when those operations have run, and returns at once.
     *
     * @param mine U8 [1, n], this member's part; not to be changed until {@link #finish} has returned
     * @param places U8 [1, n] in the slot, by rank; all are written, this member's too
     * @throws QLoraException RANK_LOST if the group can't work together any more
     */
    void begin(int slot, Tensor mine, List<Tensor> places);

    /** Operations issued from now on begin when the gather that has begun last in this slot is over. */
    void await(int slot);

    /**
     * Returns when the slot's gather is over. If a member is gone or silent, the group ends: what waits on this device goes on
     * then, with whatever is in the slot.
     *
     * @throws QLoraException RANK_LOST if it is
     */
    void finish(int slot);
}
