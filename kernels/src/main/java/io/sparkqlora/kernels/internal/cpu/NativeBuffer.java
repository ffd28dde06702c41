// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.KernelErrors;

/** Native working memory that grows to what is asked of it; for one thread at a time. */
final class NativeBuffer implements AutoCloseable {

    private long block;
    private long bytes;

    /** Address, a multiple of 4096, of at least {@code wanted} bytes; what was there before is lost when it grows. */
    long atLeast(long wanted) {
        if (block == 0 || wanted > bytes) {
            grow(wanted + wanted / 4);
        }
        return (block + CpuMemory.ALIGNMENT - 1) / CpuMemory.ALIGNMENT * CpuMemory.ALIGNMENT;
    }

    private void grow(long wanted) {
        close();
        block = Native.allocate(wanted + CpuMemory.ALIGNMENT);
        if (block == 0) {
            long free = HostMemory.ofThisMachine().availableBytes();
            throw KernelErrors.outOfMemory("cpu", "an operation's working memory", wanted, free, CpuDevice.FIX);
        }
        bytes = wanted;
    }

    @Override
    public void close() {
        if (block != 0) {
            Native.free(block);
            block = 0;
            bytes = 0;
        }
    }
}
