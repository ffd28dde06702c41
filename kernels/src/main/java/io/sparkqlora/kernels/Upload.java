// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Bytes on their way to a device: while its operations work on what has come, threads read what comes next, a bounded number
 * of bytes ahead. The thread that drives the device calls the methods.
 */
public interface Upload extends AutoCloseable {

    /**
     * Copies the next source into a contiguous tensor of as many bytes. Operations that are issued afterwards see them.
     *
     * @throws QLoraException what reading threw; RESOURCES, as {@link Device#allocate}
     */
    void next(Tensor target);

    /** Stops the threads and gives the memory back. Sources that were not asked for are dropped. */
    @Override
    void close();
}
