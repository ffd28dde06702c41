// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.RingMember;

/** How far a rank is, for errors. */
final class Progress {

    private final RingMember member;
    private long step;

    Progress(RingMember member) {
        this.member = member;
    }

    long step() {
        return step;
    }

    void step(long now) {
        step = now;
    }

    /** For people. */
    String where() {
        return (step == 0 ? "" : "step " + step + ", ") + member.where();
    }
}
