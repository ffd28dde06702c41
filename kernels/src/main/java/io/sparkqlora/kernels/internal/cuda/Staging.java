// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import java.nio.ByteBuffer;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/**
 * Copies between Java buffers and the device through two pieces of pinned memory: while the copy engine reads one, the
 * processor fills the other.
 */
final class Staging implements AutoCloseable {

    private static final int PIECE = 8 << 20;

    private final Handles.Stream stream;
    private final Handles.HostBlock[] blocks = {new Handles.HostBlock(), new Handles.HostBlock()};
    private final ByteBuffer[] pieces = new ByteBuffer[blocks.length];
    private final CUevent[] events = {new CUevent(), new CUevent()};
    private int turn;

    Staging(Handles.Stream stream) {
        this.stream = stream;
        for (int i = 0; i < blocks.length; i++) {
            Driver.check(JCudaDriver.cuMemAllocHost(blocks[i], PIECE), "allocating pinned memory");
            pieces[i] = blocks[i].getByteBuffer(0, PIECE);
            Driver.check(JCudaDriver.cuEventCreate(events[i], CUevent_flags.CU_EVENT_DISABLE_TIMING), "cuEventCreate");
        }
    }

    /** Waits until the piece whose turn it is can be used again. */
    private int next() {
        turn = (turn + 1) % blocks.length;
        Driver.check(JCudaDriver.cuEventSynchronize(events[turn]), "copying");
        return turn;
    }

    /** Returns when {@code source} has been read. */
    void in(ByteBuffer source, long target) {
        ByteBuffer from = source.duplicate();
        for (long at = target; from.hasRemaining(); ) {
            int piece = next();
            int count = Math.min(PIECE, from.remaining());
            ByteBuffer part = from.duplicate().limit(from.position() + count);
            pieces[piece].clear().put(part);
            from.position(from.position() + count);
            Driver.check(
                    JCudaDriver.cuMemcpyHtoDAsync(Handles.at(at), blocks[piece], count, stream),
                    "copying to the device");
            Driver.check(JCudaDriver.cuEventRecord(events[piece], stream), "cuEventRecord");
            at += count;
        }
    }

    /** Returns when {@code target} has been written. */
    void out(long source, ByteBuffer target) {
        ByteBuffer to = target.duplicate();
        long at = source;
        int ahead = fetch(at, to.remaining());
        while (to.hasRemaining()) {
            int piece = turn;
            int count = ahead;
            at += count;
            ahead = to.remaining() > count ? fetch(at, to.remaining() - count) : 0;
            Driver.check(JCudaDriver.cuEventSynchronize(events[piece]), "copying from the device");
            to.put(pieces[piece].clear().limit(count));
        }
    }

    private int fetch(long source, int remaining) {
        int count = Math.min(PIECE, remaining);
        int piece = next();
        Driver.check(
                JCudaDriver.cuMemcpyDtoHAsync(blocks[piece], Handles.at(source), count, stream),
                "copying from the device");
        Driver.check(JCudaDriver.cuEventRecord(events[piece], stream), "cuEventRecord");
        return count;
    }

    @Override
    public void close() {
        for (int i = 0; i < blocks.length; i++) {
            Driver.check(JCudaDriver.cuEventDestroy(events[i]), "cuEventDestroy");
            Driver.check(JCudaDriver.cuMemFreeHost(blocks[i]), "cuMemFreeHost");
        }
    }
}
