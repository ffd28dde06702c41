// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.RingMember;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Ranks in a ring of TCP connections, each sending to the next one.
 *
 * <p>A sum is Patarasuk and Yuan's (2009) ring all-reduce: the values are cut into as many segments as there are ranks. Segment
 * {@code s} starts at rank {@code s} and goes once round, every rank adding its own to what came, so that its sum is
 * {@code ((x[s] + x[s+1]) + x[s+2]) + …}, indices being ranks modulo their number; what the last one has goes round once
 * more and is copied. So the order is that of the ring, each rank has the same bits, and each sends 2·(N−1)/N of the values.
 */
public final class SocketRing implements Collective {

    static final int MOST_GATHERED = 1 << 20;

    private final RingMember me;
    private final Progress progress;
    private final RingWait wait;
    private final ByteBuffer block = ByteBuffer.allocateDirect(Adding.BLOCK_BYTES);
    private final ReentrantLock lock = new ReentrantLock();
    private long operation;
    private QLoraException failure;
    private boolean closed;

    SocketRing(RingMember me, Progress progress, RingWait wait) {
        this.me = me;
        this.progress = progress;
        this.wait = wait;
    }

    @Override
    public int rank() {
        return me.rank();
    }

    @Override
    public int worldSize() {
        return me.worldSize();
    }

    @Override
    public Duration timeout() {
        return wait.patience().timeout();
    }

    @Override
    public void check() {
        wait.patience().check(progress.where());
    }

    @Override
    public void begin(long step) {
        progress.step(step);
    }

    @Override
    public void allReduceSum(ByteBuffer values) {
        if (!values.isDirect() || values.remaining() % Float.BYTES != 0) {
            throw new IllegalArgumentException("an all-reduce of " + values + ": it takes direct buffers of F32");
        }
        operation++;
        Segments segments = new Segments(values.slice(), me.worldSize());
        for (int hop = 0; hop < me.worldSize() - 1; hop++) {
            ByteBuffer sum = segments.get(me.rank() - hop - 1);
            exchange(Type.REDUCE, hop, segments.get(me.rank() - hop), () -> new Adding(block, sum));
        }
        for (int hop = 0; hop < me.worldSize() - 1; hop++) {
            ByteBuffer whole = segments.get(me.rank() - hop);
            exchange(Type.SPREAD, hop, segments.get(me.rank() - hop + 1), () -> new Overwriting(whole));
        }
    }

    @Override
    public byte[][] allGather(byte[] mine) {
        if (mine.length > MOST_GATHERED) {
            throw new IllegalArgumentException(mine.length + " bytes to gather, the most are " + MOST_GATHERED);
        }
        operation++;
        byte[][] all = new byte[me.worldSize()][];
        all[me.rank()] = mine.clone();
        for (int hop = 0; hop < me.worldSize() - 1; hop++) {
            Collecting collecting = new Collecting(MOST_GATHERED);
            ByteBuffer known = ByteBuffer.wrap(all[modulo(me.rank() - hop)]);
            exchange(Type.GATHER, hop, known, () -> collecting);
            all[modulo(me.rank() - hop - 1)] = collecting.bytes();
        }
        return all;
    }

    @Override
    public void allGatherInto(ByteBuffer[] parts) {
        requirePlaces(parts);
        operation++;
        for (int hop = 0; hop < me.worldSize() - 1; hop++) {
            ByteBuffer known = parts[modulo(me.rank() - hop)].slice();
            ByteBuffer room = parts[modulo(me.rank() - hop - 1)].slice();
            exchange(Type.FILL, hop, known, () -> new Overwriting(room));
        }
    }

    private void requirePlaces(ByteBuffer[] parts) {
        boolean alike = parts.length == me.worldSize()
                && Arrays.stream(parts).allMatch(part -> part.isDirect() && part.remaining() == parts[0].remaining());
        if (!alike) {
            throw new IllegalArgumentException("an all-gather in place of " + Arrays.toString(parts)
                    + ": it takes a direct buffer for each of " + me.worldSize() + " ranks, all of one length");
        }
    }

    private int modulo(int rank) {
        return Math.floorMod(rank, me.worldSize());
    }

    /** Sends to the next rank while receiving from the one before. */
    private void exchange(Type type, int hop, ByteBuffer outgoing, Supplier<Receipt> receipt) {
        lock.lock();
        try {
            requireOpen();
            exchangeAlone(type, hop, outgoing, receipt);
        } finally {
            lock.unlock();
        }
    }

    private void requireOpen() {
        if (failure != null) {
            throw failure;
        }
        if (closed) {
            throw new IllegalStateException("the collective is closed");
        }
    }

    private void exchangeAlone(Type type, int hop, ByteBuffer outgoing, Supplier<Receipt> receipt) {
        FrameHeader frame = new FrameHeader(type, outgoing.remaining(), hop, progress.step(), operation);
        try {
            wait.exchange(frame, outgoing, receipt.get());
        } catch (AbortException e) {
            failure = e.abort().error();
            leave(e.abort());
            throw failure;
        } catch (RuntimeException e) {
            fail(progress.reason() == null ? e : progress.reason());
            throw e;
        }
    }

    /** May be called while another thread waits in a call: that ends then. */
    @Override
    public void abort(Throwable cause) {
        progress.stop(cause);
        lock.lock();
        try {
            fail(cause);
        } finally {
            lock.unlock();
        }
    }

    private void fail(Throwable cause) {
        if (failure == null && !closed) {
            failure = cause instanceof QLoraException known
                    ? known
                    : CollectiveErrors.rankFailed(wait.self(), cause, progress.where());
            leave(Abort.of(me.rank(), failure));
        }
    }

    private void leave(Abort abort) {
        closed = true;
        boolean interrupted = Thread.interrupted(); // an interrupted thread can't write to a channel
        try {
            wait.leave(abort);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (!closed) {
                leave(null);
            }
        } finally {
            lock.unlock();
        }
    }

    /** For tests of what happens when a process ends: closes without a word. */
    void cut() {
        closed = true;
        wait.close();
    }

    /** For tests. */
    RingWait connections() {
        return wait;
    }
}
