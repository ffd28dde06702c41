// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;

/**
 * Device memory for what an operation keeps between its own kernels: parts of split sums, mostly. Operations run one after
 * another on one stream, so all share it. It grows when a shape needs more than any before, that is, during a first step.
 */
final class Workspace {

    /** Bytes that it has in any case, and that plans count. */
    static final long SMALLEST = 16L << 20;

    private final Device device;
    private Memory memory;

    Workspace(Device device) {
        this.device = device;
    }

    /** How large it is made for so many bytes. */
    static long size(long bytes) {
        return Math.max(SMALLEST, bytes);
    }

    /** Bytes that may be asked for without its growing. */
    long room() {
        return memory == null ? SMALLEST : memory.bytes();
    }

    /** Address of at least so many bytes, their contents undefined. */
    long atLeast(long bytes) {
        if (memory == null || memory.bytes() < bytes) {
            if (memory != null) {
                device.synchronize();
                memory.close();
                memory = null;
            }
            memory = device.allocate(size(bytes), "the work space of the GPU's operations");
        }
        return memory.address();
    }
}
