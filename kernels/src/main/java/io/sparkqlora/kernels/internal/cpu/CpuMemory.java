// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Memory;
import java.util.function.Consumer;

/**
 * One native allocation. Its address is a multiple of 4096 bytes, so that rows of whole cache lines never straddle one; its
 * contents are undefined.
 */
final class CpuMemory implements Memory {

    static final int ALIGNMENT = 4096;

    private final long block;
    private final long address;
    private final long bytes;
    private final Consumer<CpuMemory> onClose;
    private boolean closed;

    /**
     * @param block what {@link Native#allocate} gave for {@code bytes + ALIGNMENT}
     * @param onClose told once, before the block is freed
     */
    CpuMemory(long block, long bytes, Consumer<CpuMemory> onClose) {
        this.block = block;
        this.address = (block + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        this.bytes = bytes;
        this.onClose = onClose;
    }

    @Override
    public long address() {
        if (closed) {
            throw new IllegalStateException("this memory of " + bytes + " bytes was closed");
        }
        return address;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            onClose.accept(this);
            Native.free(block);
        }
    }
}
