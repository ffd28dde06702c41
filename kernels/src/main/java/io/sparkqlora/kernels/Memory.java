// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** One allocation on a device. Whoever allocated it closes it; tensors are views that do not. */
public interface Memory extends AutoCloseable {

    /** Where an allocation lies. */
    enum Kind {
        /** In the device's own memory. */
        DEVICE,
        /** In the host's memory, pinned: operations reach it over the bus. */
        HOST
    }

    /** Where it lies. */
    default Kind kind() {
        return Kind.DEVICE;
    }

    /** The device pointer (a native host address on the CPU; 0 on a planning device). */
    long address();

    /** Size in bytes. */
    long bytes();

    /** Frees it. Closing twice is harmless. */
    @Override
    void close();
}
