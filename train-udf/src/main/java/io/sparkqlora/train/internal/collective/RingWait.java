// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;

/**
 * Where a rank waits for its neighbours. A rank that waits tells both of them every now and then that it is alive, so that
 * a silent neighbour is one that is neither done nor waiting: it alone is the cause, and only the ranks beside it name it.
 */
final class RingWait implements AutoCloseable {

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final Link previous;
    private final Link next;
    private final Patience patience;
    private final Progress progress;
    private final Selector selector;
    private final SelectionKey fromPrevious;
    private final SelectionKey toNext;
    private long lastBeat = System.nanoTime();

    RingWait(Link previous, Link next, Patience patience, Progress progress) throws IOException {
        this.previous = previous;
        this.next = next;
        this.patience = patience;
        this.progress = progress;
        this.selector = Selector.open();
        this.fromPrevious = previous.channel().register(selector, 0);
        this.toNext = next.channel().register(selector, 0);
    }

    String self() {
        return patience.self();
    }

    Patience patience() {
        return patience;
    }

    Link previous() {
        return previous;
    }

    Link next() {
        return next;
    }

    /**
     * Sends a frame to the next rank while receiving its like from the one before.
     *
     * @throws AbortException if a neighbour has given up
     */
    void exchange(FrameHeader frame, ByteBuffer outgoing, Receipt receipt) {
        Silence before = patience.listen(previous.heard());
        Silence behind = patience.listen(next.moved());
        next.send(frame, outgoing);
        Incoming incoming = new Incoming(previous, frame, receipt, progress::where);
        try {
            check();
            while (!advance(incoming)) {
                overdue(previous, before.look(previous.heard()), !incoming.done());
                overdue(next, behind.look(next.moved()), !next.flushed());
                signOfLife();
                select(incoming);
                check();
            }
        } catch (QLoraException e) {
            // the reason may have come before the end of the connection
            Ending.lastWords(previous);
            Ending.lastWords(next);
            throw e;
        }
    }

    private void check() {
        if (progress.reason() != null) {
            throw CollectiveErrors.rankStopped(patience.self(), progress.where());
        }
        patience.check(progress.where());
    }

    private boolean advance(Incoming incoming) {
        previous.flush();
        boolean sent = next.flush();
        Ending.listen(next);
        if (next.parked() && next.header().type() != Type.ABORT) {
            throw CollectiveErrors.badFrame(next.peer(), next.header().call() + " backwards", progress.where());
        }
        boolean received = incoming.advance();
        if (received) {
            Ending.listen(previous);
        }
        return received && sent;
    }

    private void overdue(Link link, long silence, boolean awaited) {
        if (awaited && patience.over(silence)) {
            throw CollectiveErrors.rankSilent(link.peer(), Patience.seconds(silence), progress.where());
        }
    }

    private void signOfLife() {
        long now = System.nanoTime();
        if (now - lastBeat < patience.beatNanos()) {
            return;
        }
        lastBeat = now;
        for (Link link : new Link[] {previous, next}) {
            if (link.flushed()) {
                link.send(Type.WAITING, NOTHING.duplicate());
            }
        }
    }

    private void select(Incoming incoming) {
        try {
            fromPrevious.interestOps(interest(previous, !incoming.done() || !previous.parked()));
            toNext.interestOps(interest(next, !next.parked()));
            selector.select(patience.tickMillis());
            selector.selectedKeys().clear();
        } catch (IOException e) {
            throw CollectiveErrors.rankFailed(patience.self(), e, progress.where());
        }
    }

    private static int interest(Link link, boolean reads) {
        return (reads && !link.ended() ? SelectionKey.OP_READ : 0) | (link.flushed() ? 0 : SelectionKey.OP_WRITE);
    }

    /** Says farewell to both neighbours, with the reason if there is one. */
    void leave(Abort abort) {
        try {
            new Ending(patience.farewellNanos()).of(abort, previous, next);
        } finally {
            close();
        }
    }

    @Override
    public void close() {
        previous.close();
        next.close();
        try {
            selector.close();
        } catch (IOException e) {
            // it held nothing but the two connections
        }
    }
}
