// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.function.Supplier;

/**
 * The sessions that stay in this JVM between the chunks of their runs: base and state need not be loaded again. A session
 * is taken out while a task uses it, so that two attempts of a task never share one; a task that fails doesn't put it back.
 * Nothing in a session depends on the rank that used it: any rank of the run's next chunk may take it. Of a sharded base it
 * holds one part, and the ranks see to it that they have all parts between them.
 */
final class ResidentSessions {

    private static final List<ResidentSession> IDLE = new ArrayList<>();

    private ResidentSessions() {}

    /**
     * A session of the run at the given step: the idle one if it is there and stands at that step, otherwise a new one,
     * restored from the committed state if the step is not 0. Idle sessions of other runs and steps are closed, for their
     * memory.
     *
     * @param collective of the ranks that do the same
     */
    static ResidentSession acquire(
            RunSpec run, long step, Collective collective, Supplier<List<NamedTensor>> committedState) {
        ResidentSession idle = takeOut(run, step);
        int part = part(run, idle, collective);
        if (idle != null && idle.part() == part) {
            return idle;
        }
        if (idle != null) {
            idle.close();
        }
        return open(run, part, step, committedState);
    }

    private static int part(RunSpec run, ResidentSession idle, Collective collective) {
        if (!ConfigJson.read(run.configJson()).get(ExecutorKeys.SHARD_BASE)) {
            return 0;
        }
        try {
            return BaseParts.agree(collective, idle == null ? BaseParts.NONE : idle.part());
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, idle == null ? List.of() : List.of(idle));
        }
    }

    private static ResidentSession open(RunSpec run, int part, long step, Supplier<List<NamedTensor>> committedState) {
        ResidentSession session = ResidentSession.open(run, part);
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
