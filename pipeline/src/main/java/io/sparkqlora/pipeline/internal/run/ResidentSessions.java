// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Supplier;

/**
 * The sessions that stay in this JVM between the chunks of their runs: base and state need not be loaded again. A session
 * is taken out while a task uses it, so that two attempts of a task never share one; a task that fails doesn't put it back.
 * Nothing in a session depends on the rank that used it: any rank of the run's next chunk may take it.
 */
final class ResidentSessions {

    private static final List<ResidentSession> IDLE = new ArrayList<>();

    private ResidentSessions() {}

    /**
     * A session of the run at the given step: the idle one if it is there and stands at that step, otherwise a new one,
     * restored from the committed state if the step is not 0. Idle sessions of other runs and steps are closed, for their
     * memory.
     */
    static ResidentSession acquire(RunSpec run, long step, Supplier<List<NamedTensor>> committedState) {
        ResidentSession idle = takeOut(run, step);
        if (idle != null) {
            return idle;
        }
        ResidentSession session = ResidentSession.open(run);
        try {
            if (step > 0) {
                session.restore(step, committedState.get());
            }
            return session;
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(session));
        }
    }

    private static synchronized ResidentSession takeOut(RunSpec run, long step) {
        ResidentSession found = null;
        for (Iterator<ResidentSession> all = IDLE.iterator(); all.hasNext(); ) {
            ResidentSession session = all.next();
            boolean fits = session.run().equals(run) && session.step() == step;
            if (fits && found != null) {
                continue; // of another rank in this JVM
            }
            all.remove();
            if (fits) {
                found = session;
            } else {
                session.close();
            }
        }
        return found;
    }

    /** Leaves a session to the run's next chunk. */
    static synchronized void release(ResidentSession session) {
        IDLE.add(session);
    }

    /** Closes every idle session. */
    static synchronized void closeAll() {
        IDLE.forEach(ResidentSession::close);
        IDLE.clear();
    }
}
