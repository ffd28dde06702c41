// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.internal.collective.FrameHeader.Type;
import java.nio.ByteBuffer;
import java.util.function.Supplier;

/** The frame that a rank waits for. */
final class Incoming {

    private final Link link;
    private final FrameHeader expected;
    private final Receipt receipt;
    private final Supplier<String> where;
    private boolean accepted;
    private boolean done;

    /**
     * @param expected the frame that this rank sends itself in that hop
     * @param where this is, for people
     */
    Incoming(Link link, FrameHeader expected, Receipt receipt, Supplier<String> where) {
        this.link = link;
        this.expected = expected;
        this.receipt = receipt;
        this.where = where;
    }

    boolean done() {
        return done;
    }

    /** Reads what is there; true once all has come. */
    boolean advance() {
        if (done) {
            return true;
        }
        FrameHeader header = link.header();
        if (header == null) {
            requireOpen();
            return false;
        }
        if (header.type() == Type.ABORT) {
            Ending.listen(link);
            return false;
        }
        accept(header);
        for (ByteBuffer room = receipt.room(); room != null; room = receipt.room()) {
            if (!link.fill(room)) {
                requireOpen();
                return false;
            }
        }
        link.done();
        done = true;
        return true;
    }

    private void requireOpen() {
        if (link.ended()) {
            throw CollectiveErrors.rankGone(link.peer(), "it closed its connection", where.get());
        }
    }

    private void accept(FrameHeader header) {
        if (accepted) {
            return;
        }
        if (!header.sameCall(expected)) {
            throw CollectiveErrors.outOfStep(link.peer(), expected.call(), header.call(), where.get());
        }
        if (!receipt.accepts(header.length())) {
            throw CollectiveErrors.badFrame(
                    link.peer(), header.length() + " bytes for " + expected.call(), where.get());
        }
        accepted = true;
    }
}
