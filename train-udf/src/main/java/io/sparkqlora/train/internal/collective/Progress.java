// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.RingMember;

/** How far a rank is, for errors. */
final class Progress {

    private final RingMember member;
    private volatile long step;
    private volatile Throwable reason;

    Progress(RingMember member) {
        this.member = member;
    }

    long step() {
        return step;
    }

    void step(long now) {
        step = now;
    }

    /** Another thread wants the ring to end. */
    void stop(Throwable why) {
        reason = why;
    }

    /** Why it does; null if it doesn't. */
    Throwable reason() {
        return reason;
    }

    /** For people. */
    String where() {
        return (step == 0 ? "" : "step " + step + ", ") + member.where();
    }
}
