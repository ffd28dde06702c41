// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Devices that add up and gather tensors among themselves, without the host's memory between. Every member makes the same calls in the
 * same order, each from the thread that drives its device. After an exception no further call succeeds.
 */
public interface DeviceGroup extends AutoCloseable {
    /** What carries it, for people: {@code NCCL 2.28.3}. */
    String name();

    /**
     * Replaces values by their sums over all members, after everything that was issued to the device before; returns when the
     * sums are there. Each is {@code ((x[0] + x[1]) + x[2]) + …}, indices being ranks, so every member has the same bits.
     *
     * @param values F32, contiguous, as many on every member
     * @param scratch F32, contiguous, as many on every member and at least one a member; values are added up in pieces of so
     *     many
     * @throws QLoraException RANK_LOST if a member is gone or silent
     */
    void allReduceSum(Tensor values, Tensor scratch);

    /**
     * A queue of gathers, which lives as long as the group. Sums and gathers must not be under way at the same time.
     *
     * @param slots how many buffers there are
     */
    GatherQueue gatherQueue(int slots);

    /** Leaves; what others of the group wait for then fails. */
    @Override
    void close();
}
