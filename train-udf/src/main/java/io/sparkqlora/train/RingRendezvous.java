// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.collective.Handshake;
import io.sparkqlora.train.internal.collective.Invitation;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * Makes the ring of sockets in which ranks add up their gradients: each rank opens a port, hands its {@link #invitation()}
 * to all others by some other way (a barrier's all-gather), and joins with everybody's. The invitations hold a random number
 * that is asked of whoever connects; what goes over the wire is not encrypted.
 */
public final class RingRendezvous implements AutoCloseable {

    private final RingMember member;
    private final ServerSocketChannel server;
    private final Invitation invitation;
    private final Duration timeout;

    private RingRendezvous(RingMember member, ServerSocketChannel server, Invitation invitation, Duration timeout) {
        this.member = member;
        this.server = server;
        this.invitation = invitation;
        this.timeout = timeout;
    }

    /**
     * Opens a port.
     *
     * @param host under which the other ranks reach this one
     * @param timeout how long a rank may be silent before it counts as lost
     * @throws io.sparkqlora.kernels.QLoraException RANK_LOST if no port can be opened
     */
    public static RingRendezvous open(RingMember member, String host, Duration timeout) {
        try {
            ServerSocketChannel server = ServerSocketChannel.open();
            server.bind(null);
            server.configureBlocking(false);
            int port = ((InetSocketAddress) server.getLocalAddress()).getPort();
            return new RingRendezvous(member, server, Invitation.random(host, port), timeout);
        } catch (IOException e) {
            throw CollectiveErrors.noPort(member.rank(), e);
        }
    }

    /** What the other ranks need to know. */
    public String invitation() {
        return invitation.toString();
    }

    /**
     * Connects with the neighbours.
     *
     * @param invitations everybody's, by rank
     * @param whileWaiting called at least every second, on the calling thread, in every wait of the ring too; what it throws
     *     ends the wait
     * @throws io.sparkqlora.kernels.QLoraException RANK_LOST if a neighbour doesn't come, or refuses this one
     */
    public Collective join(String[] invitations, Runnable whileWaiting) {
        List<Invitation> all = Arrays.stream(invitations).map(Invitation::parse).toList();
        try (Handshake handshake = new Handshake(member, server, all, timeout, whileWaiting)) {
            return handshake.join();
        }
    }

    /** Closes the port. */
    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            throw CollectiveErrors.noPort(member.rank(), e);
        }
    }
}
