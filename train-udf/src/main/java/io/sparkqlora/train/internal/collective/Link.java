// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.io.IOException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Supplier;

/**
 * A connection with a neighbour: frames to write, and the frame that is being read. Nothing here waits; a reader that nobody
 * asks for a payload stops at its header.
 */
final class Link implements AutoCloseable {

    /** Longest payload of frames that are no part of an operation. */
    static final int CONTROL_BYTES = 64 << 10;

    /** What is read at once, so that writing goes on meanwhile. */
    private static final int BURST = 1 << 20;

    private final SocketChannel channel;
    private final String peer;
    private final Supplier<String> where;
    private final ByteBuffer head = ByteBuffer.allocateDirect(FrameHeader.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    private final Deque<ByteBuffer> outgoing = new ArrayDeque<>();
    private FrameHeader header;
    private ByteBuffer control;
    private boolean ended;
    private long heard;
    private long written;

    /**
     * @param peer the neighbour, for people
     * @param where this is, for people
     */
    Link(SocketChannel channel, String peer, Supplier<String> where) throws IOException {
        this.channel = channel;
        this.peer = peer;
        this.where = where;
        channel.configureBlocking(false);
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
    }

    SocketChannel channel() {
        return channel;
    }

    String peer() {
        return peer;
    }

    /** Bytes that came. */
    long heard() {
        return heard;
    }

    /** Bytes that came or went. */
    long moved() {
        return heard + written;
    }

    /** Whether the neighbour has closed its side. */
    boolean ended() {
        return ended;
    }

    /** Whether a frame stands at its header. */
    boolean parked() {
        return header != null;
    }

    boolean flushed() {
        return outgoing.isEmpty();
    }

    /** Has a frame written; the payload's contents must stay until it is flushed. */
    void send(FrameHeader frame, ByteBuffer payload) {
        outgoing.add(frame.encoded());
        if (payload.hasRemaining()) {
            outgoing.add(payload);
        }
    }

    /** Has a frame of control written. */
    void send(Type type, ByteBuffer payload) {
        send(FrameHeader.control(type, payload.remaining()), payload);
    }

    /** Writes what the neighbour takes; true if that was all. */
    boolean flush() {
        try {
            while (!outgoing.isEmpty()) {
                long count = channel.write(outgoing.toArray(ByteBuffer[]::new));
                if (count == 0) {
                    return false;
                }
                written += count;
                while (!outgoing.isEmpty() && !outgoing.peek().hasRemaining()) {
                    outgoing.remove();
                }
            }
            return true;
        } catch (IOException e) {
            throw broken("writing to it", e);
        }
    }

    /** The header of the next frame, signs of life left out; null while there is none. */
    FrameHeader header() {
        while (header == null && !ended && fill(head)) {
            FrameHeader found = FrameHeader.decode(head);
            head.clear();
            if (found == null) {
                throw CollectiveErrors.badFrame(peer, "bytes that are no frame's header", where.get());
            }
            header = found.type() == Type.WAITING ? null : found;
        }
        return header;
    }

    /** The frame's payload has been read. */
    void done() {
        header = null;
    }

    /** The whole payload of a frame of control; null while it is not there. */
    ByteBuffer control() {
        if (control == null) {
            if (header.length() > CONTROL_BYTES) {
                throw CollectiveErrors.badFrame(peer, header.length() + " bytes of " + header.type(), where.get());
            }
            control = ByteBuffer.allocate(header.length());
        }
        if (!fill(control)) {
            return null;
        }
        ByteBuffer whole = control.flip();
        control = null;
        header = null;
        return whole;
    }

    /** Reads into a buffer what is there; true once it is full. */
    boolean fill(ByteBuffer target) {
        try {
            int burst = 0;
            while (target.hasRemaining() && burst < BURST) {
                int count = channel.read(target);
                if (count <= 0) {
                    ended |= count < 0;
                    return false;
                }
                burst += count;
                heard += count;
            }
            return !target.hasRemaining();
        } catch (IOException e) {
            throw broken("reading from it", e);
        }
    }

    private QLoraException broken(String what, IOException e) {
        if (e instanceof ClosedByInterruptException) {
            return CollectiveErrors.rankStopped("this rank", where.get());
        }
        return CollectiveErrors.rankGone(peer, what + " failed (" + e.getMessage() + ")", where.get());
    }

    /** Closes this side for writing, once all is written. */
    void endOutput() throws IOException {
        channel.shutdownOutput();
    }

    /** Reads and forgets; true once the neighbour has closed its side. */
    boolean drained(ByteBuffer scratch) throws IOException {
        while (!ended) {
            int count = channel.read(scratch.clear());
            if (count == 0) {
                return false;
            }
            ended = count < 0;
        }
        return true;
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // nothing is lost: whatever had to be said has been said
        }
    }
}
