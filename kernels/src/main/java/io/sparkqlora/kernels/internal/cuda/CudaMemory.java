// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Memory;
import java.util.function.Consumer;

/** One allocation. Its address is a multiple of 256 bytes; that of host memory is the same for host and device. */
final class CudaMemory implements Memory {

    private final Kind kind;
    private final long address;
    private final long bytes;
    private final Consumer<CudaMemory> onClose;
    private boolean closed;

    /** @param onClose told once; frees it */
    CudaMemory(Kind kind, long address, long bytes, Consumer<CudaMemory> onClose) {
        this.kind = kind;
        this.address = address;
        this.bytes = bytes;
        this.onClose = onClose;
    }

    @Override
    public Kind kind() {
        return kind;
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
        }
    }
}
