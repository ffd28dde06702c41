// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;

/**
 * The end of a ring. The reason goes to both neighbours; then each side closes for writing, and reads until the other has
 * done so too: a connection that is closed with bytes unread would take along what the neighbour has not read yet.
 *
 * @param nanos the longest that it may take
 */
record Ending(long nanos) {

    private static final long PAUSE_NANOS = 1_000_000;
    private static final int SCRATCH = 64 << 10;

    /** Throws the reason if a neighbour has given one. */
    static void listen(Link link) {
        FrameHeader header = link.header();
        if (header != null && header.type() == Type.ABORT) {
            ByteBuffer payload = link.control();
            Abort abort = payload == null ? null : Abort.decode(payload);
            if (abort != null) {
                throw new AbortException(abort);
            }
        }
    }

    /** The same for a connection that may be broken. */
    static void lastWords(Link link) {
        try {
            listen(link);
        } catch (QLoraException e) {
            // no reason was given: what is known already is the failure
        }
    }

    /**
     * Says it and waits.
     *
     * @param abort the reason; null if nothing happened
     */
    void of(Abort abort, Link... links) {
        long began = System.nanoTime();
        ByteBuffer scratch = ByteBuffer.allocate(SCRATCH);
        boolean[] told = new boolean[links.length];
        for (Link link : links) {
            if (abort != null) {
                link.send(Type.ABORT, abort.encoded());
            }
        }
        boolean over = false;
        while (!over && System.nanoTime() - began < nanos) {
            over = true;
            for (int i = 0; i < links.length; i++) {
                over &= advance(links[i], i, told, scratch);
            }
            if (!over) {
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
    }

    private static boolean advance(Link link, int index, boolean[] told, ByteBuffer scratch) {
        try {
            if (!told[index] && link.flush()) {
                link.endOutput();
                told[index] = true;
            }
            return link.drained(scratch) && told[index];
        } catch (IOException | RuntimeException e) {
            return true; // nobody is there to be told
        }
    }
}
