// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/** Copies between Java buffers, direct or on the heap, and native memory. Positions and limits stay as they are. */
final class HostCopy {

    private static final int CHUNK = 1 << 20;

    private HostCopy() {}

    static void in(ByteBuffer source, long target) {
        if (source.isDirect()) {
            Native.copy(address(source), target, source.remaining());
            return;
        }
        ByteBuffer view = source.duplicate();
        byte[] chunk = new byte[Math.min(CHUNK, view.remaining())];
        for (long at = target; view.hasRemaining(); ) {
            int count = Math.min(chunk.length, view.remaining());
            view.get(chunk, 0, count);
            Native.store(chunk, 0, count, at);
            at += count;
        }
    }

    static void out(long source, ByteBuffer target) {
        if (target.isDirect()) {
            Native.copy(source, address(target), target.remaining());
            return;
        }
        ByteBuffer view = target.duplicate();
        byte[] chunk = new byte[Math.min(CHUNK, view.remaining())];
        for (long at = source; view.hasRemaining(); ) {
            int count = Math.min(chunk.length, view.remaining());
            Native.load(at, chunk, 0, count);
            view.put(chunk, 0, count);
            at += count;
        }
    }

    /** Native memory as a direct buffer, which owns nothing. */
    static ByteBuffer view(long address, long bytes) {
        return new Block(address, Math.toIntExact(bytes)).asByteBuffer();
    }

    /** A block of native memory that somebody else frees. */
    private static final class Block extends BytePointer {

        Block(long address, int bytes) {
            super((Pointer) null);
            this.address = address;
            this.limit = bytes;
            this.capacity = bytes;
        }
    }

    private static long address(ByteBuffer buffer) {
        Pointer pointer = new BytePointer(buffer.duplicate());
        return pointer.address() + buffer.position();
    }
}
