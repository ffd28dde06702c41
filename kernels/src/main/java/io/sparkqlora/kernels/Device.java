// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * Where tensors live and operations run. One thread drives a device; operations are issued in order and may run
 * asynchronously until {@link #synchronize()} or {@link #copyOut}.
 */
public interface Device extends AutoCloseable {

    /** What it is, for people: {@code cpu (2 threads, avx512)} or {@code cuda:0 (NVIDIA H200)}. */
    String name();

    /**
     * Allocates device memory, its contents undefined.
     *
     * @param bytes size
     * @param purpose what it is for, in words that fit "not enough memory for …"
     * @throws QLoraException RESOURCES, with need, have and what to change
     */
    Memory allocate(long bytes, String purpose);

    /** What a plan has to know of it. */
    DeviceTraits traits();

    /**
     * Allocates pinned memory of the host, its contents undefined, that copies and operations can use like the device's own,
     * only slower: what is read seldom and in small parts need not take the device's memory. On a device without memory of its
     * own the same as {@link #allocate}.
     *
     * @throws QLoraException RESOURCES, with need, have and what to change
     */
    Memory allocateHost(long bytes, String purpose);

    /**
     * Has what the operations keep for themselves allocated now, not when one first needs it.
     *
     * @param workspaceBytes what {@link DeviceTraits#workspaceBytes} says
     * @throws QLoraException RESOURCES, with need, have and what to change
     */
    default void reserve(long workspaceBytes) {}

    /** A queue of pages between the host's memory and the device's; whoever opens it closes it. */
    PageQueue pageQueue(int slots);

    /** Bytes that can still be allocated. */
    long availableBytes();

    /**
     * Allows no more than so many bytes of device memory to be allocated at once, as if there were no more: to find out what
     * a smaller device takes.
     */
    void limit(long bytes);

    /** The most bytes that were allocated at once since the device was opened. */
    long peakBytes();

    /** The most bytes of the host's memory that were allocated at once by {@link #allocateHost}; 0 if all memory is one. */
    long peakHostBytes();

    /** Copies host bytes (position to limit, unchanged) into a contiguous tensor of the same byte count. */
    void copyIn(ByteBuffer source, Tensor target);

    /**
     * Begins to read sources, to be copied into tensors one after another: the way for gigabytes. It reads ahead with threads
     * of its own and takes at most 256 MiB of host memory for that, which is not counted as allocated here.
     */
    Upload upload(List<ByteSource> sources);

    /** Copies a contiguous tensor into a host buffer (position to limit, unchanged); waits for it. */
    void copyOut(Tensor source, ByteBuffer target);

    /**
     * The bytes of a contiguous tensor where they lie, as a direct buffer, where that is the host's memory: for another thread
     * that moves them while operations run on other tensors. It must not be used once the memory is closed, which nothing
     * checks. Empty on a device with memory of its own.
     *
     * @param tensor of less than 2 GiB
     */
    default Optional<ByteBuffer> hostView(Tensor tensor) {
        return Optional.empty();
    }

    /** The operations, each an interface of its own. */
    Operations ops();

    /**
     * Records operations to issue them again. A backend that gains nothing by it keeps {@code operations} and calls it each
     * time; a GPU runs it once, issuing nothing, and launches what it captured as a graph.
     *
     * @param operations nothing but operations of this device on memory that stays allocated, and of shapes that this device has
     *     run before; it may be called now, later, or both
     * @throws QLoraException DEVICE if the device can't record them
     */
    default Recording record(Runnable operations) {
        return new RepeatedCalls(operations);
    }

    /**
     * Times every kernel from now on, until {@link #stopProfile}; that slows the device down a little.
     *
     * @throws QLoraException CONFIG where a backend can't
     */
    default void startProfile() {
        throw KernelErrors.noProfile(name());
    }

    /**
     * Waits for what was issued and says where the time went since {@link #startProfile}.
     *
     * @throws QLoraException CONFIG where a backend can't
     */
    default Profile stopProfile() {
        throw KernelErrors.noProfile(name());
    }

    /** How it joins others of its kind; empty where it can't: what several add up goes through the hosts' memory then. */
    default Optional<DeviceGroups> groups() {
        return Optional.empty();
    }

    /** Waits until everything issued has run; throws what failed. */
    void synchronize();

    /** Frees what the device owns. Memory that is still open is freed too. */
    @Override
    void close();
}
