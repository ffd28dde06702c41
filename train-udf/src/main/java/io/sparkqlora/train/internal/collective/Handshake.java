// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.RingMember;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/**
 * Connects a rank with the next one and lets the one before connect. Who connects says who it is; who is not the rank before
 * of the same attempt is told so and shut out, and the wait goes on.
 */
public final class Handshake implements AutoCloseable {

    private static final long PAUSE_NANOS = 2_000_000;
    private static final int LONGEST_CONNECT_MILLIS = 60_000;

    private final RingMember me;
    private final ServerSocketChannel server;
    private final List<Invitation> invitations;
    private final Patience patience;
    private final Progress progress;
    private final List<Link> strangers = new ArrayList<>();
    private Link next;
    private Link previous;
    private boolean welcome;
    private boolean joined;
    private long lastBeat = System.nanoTime();

    /**
     * @param server that {@code me} listens on, not blocking
     * @param invitations everybody's, by rank
     * @param check called at least every second
     */
    public Handshake(
            RingMember me, ServerSocketChannel server, List<Invitation> invitations, Duration timeout, Runnable check) {
        this.me = me;
        this.server = server;
        this.invitations = List.copyOf(invitations);
        this.patience = new Patience(timeout, check, named(me.rank()));
        this.progress = new Progress(me);
    }

    private String named(int rank) {
        return invitations.get(rank).named(rank);
    }

    /** Waits for both neighbours. */
    public Collective join() {
        Silence silence = patience.listen(0);
        try {
            connect();
            while (previous == null || !welcome) {
                patience.check(progress.where());
                accept();
                hearStrangers();
                hearNext();
                signOfLife();
                overdue(silence.look(0));
                LockSupport.parkNanos(PAUSE_NANOS);
            }
            RingWait wait = new RingWait(previous, next, patience, progress);
            joined = true;
            return new SocketRing(me, progress, wait);
        } catch (IOException e) {
            throw told(CollectiveErrors.rankFailed(named(me.rank()), e, progress.where()));
        } catch (AbortException e) {
            throw told(e.abort().error());
        } catch (QLoraException e) {
            throw told(e);
        } catch (RuntimeException e) {
            told(CollectiveErrors.rankFailed(named(me.rank()), e, progress.where()));
            throw e;
        }
    }

    /** Tells a neighbour that is connected already. */
    private QLoraException told(QLoraException e) {
        Link[] links = previous == null ? new Link[] {next} : new Link[] {next, previous};
        if (next != null) {
            new Ending(patience.farewellNanos()).of(Abort.of(me.rank(), e), links);
        }
        return e;
    }

    private void connect() {
        Invitation to = invitations.get(me.next());
        try {
            SocketChannel channel = SocketChannel.open();
            int millis =
                    (int) Math.min(LONGEST_CONNECT_MILLIS, patience.timeout().toMillis());
            channel.socket().connect(to.address(), millis);
            next = new Link(channel, named(me.next()), progress::where);
            next.send(Type.HELLO, new Hello(me, nonce()).encoded());
        } catch (IOException e) {
            throw CollectiveErrors.rankMissing(
                    named(me.next()), "it can't be connected to (" + e.getMessage() + ")", progress.where());
        }
    }

    private String nonce() {
        return invitations.get(0).nonce();
    }

    private void accept() throws IOException {
        for (SocketChannel channel = server.accept(); channel != null; channel = server.accept()) {
            strangers.add(new Link(channel, String.valueOf(channel.getRemoteAddress()), progress::where));
        }
    }

    private void hearStrangers() throws IOException {
        for (Link link : List.copyOf(strangers)) {
            try {
                hear(link);
            } catch (QLoraException e) {
                strangers.remove(link);
                link.close();
            }
        }
    }

    private void hear(Link link) throws IOException {
        FrameHeader header = link.header();
        if (header == null || header.type() != Type.HELLO) {
            if (header != null || link.ended()) {
                throw CollectiveErrors.badFrame(link.peer(), "no HELLO", progress.where());
            }
            return;
        }
        ByteBuffer payload = link.control();
        if (payload != null) {
            strangers.remove(link);
            answer(link, Hello.problem(payload, new Hello(me.withRank(me.previous()), nonce())));
        }
    }

    private void answer(Link link, String problem) throws IOException {
        if (problem == null && previous == null) {
            previous = new Link(link.channel(), named(me.previous()), progress::where);
            previous.send(Type.WELCOME, ByteBuffer.allocate(0));
            previous.flush();
            return;
        }
        String why = problem == null ? "that rank has joined already" : problem;
        QLoraException refusal = CollectiveErrors.refused("the task at " + link.peer(), why);
        new Ending(Math.min(patience.farewellNanos(), patience.beatNanos())).of(Abort.of(me.rank(), refusal), link);
        link.close();
    }

    private void hearNext() {
        next.flush();
        Ending.listen(next);
        FrameHeader header = next.header();
        if (header != null && header.type() == Type.WELCOME) {
            next.done();
            welcome = true;
        } else if (next.ended()) {
            throw CollectiveErrors.rankGone(next.peer(), "it closed its connection", progress.where());
        }
    }

    private void signOfLife() {
        if (System.nanoTime() - lastBeat < patience.beatNanos()) {
            return;
        }
        lastBeat = System.nanoTime();
        next.send(Type.WAITING, ByteBuffer.allocate(0));
        if (previous != null) {
            previous.send(Type.WAITING, ByteBuffer.allocate(0));
            previous.flush();
        }
    }

    private void overdue(long silence) {
        if (patience.over(silence)) {
            int missing = previous == null ? me.previous() : me.next();
            String problem = String.format("nothing came for %.1f s", Patience.seconds(silence));
            throw CollectiveErrors.rankMissing(named(missing), problem, progress.where());
        }
    }

    @Override
    public void close() {
        strangers.forEach(Link::close);
        if (!joined) {
            close(next);
            close(previous);
        }
    }

    private static void close(Link link) {
        if (link != null) {
            link.close();
        }
    }
}
