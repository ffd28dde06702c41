// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Memory;
import java.util.function.Consumer;

/** One allocation of device memory. Its address is a multiple of 256 bytes. */
final class CudaMemory implements Memory {

    private final Handles.Block block;
    private final long bytes;
    private final Consumer<CudaMemory> onClose;
    private boolean closed;

    /** @param onClose told once; frees {@code block} */
    CudaMemory(Handles.Block block, long bytes, Consumer<CudaMemory> onClose) {
        this.block = block;
        this.bytes = bytes;
        this.onClose = onClose;
    }

    Handles.Block block() {
        return block;
    }

    @Override
    public long address() {
        if (closed) {
            throw new IllegalStateException("this memory of " + bytes + " bytes was closed");
        }
        return block.address();
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
        }
    }
}
