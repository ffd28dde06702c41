// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * The sessions that stay in this JVM between the chunks of their runs: base and state need not be loaded again. A session
 * is taken out while a task uses it, so that two attempts of a task never share one; a task that fails doesn't put it back.
 * Nothing in a session depends on the rank that used it: any rank of the run's next chunk may take it. Of a sharded base it
 * holds one part, and the ranks see to it that they have all parts between them.
 */
public final class ResidentSessions {

    private static final List<AutoCloseable> IDLE = new ArrayList<>();

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
        ResidentSession idle = idle(run, step);
        int part = part(run, idle, collective);
        if (idle != null && idle.part() == part) {
            return idle;
        }
        if (idle != null) {
            idle.close();
        }
        return open(run, part, step, committedState);
    }

    /**
     * The idle session of the run at the given step, if each of the ranks has one, and of a sharded base all parts between
     * them; null if not. Then those that there are stay where they were.
     *
     * @param collective of the ranks that do the same
     */
    static ResidentSession acquireIdle(RunSpec run, long step, Collective collective) {
        ResidentSession idle = idle(run, step);
        List<ResidentSession> mine = idle == null ? List.of() : List.of(idle);
        try {
            if (BaseParts.complete(collective, idle == null ? BaseParts.NONE : idle.part(), sharded(run))) {
                return idle;
            }
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, mine);
        }
        mine.forEach(ResidentSessions::release);
        return null;
    }

    private static ResidentSession idle(RunSpec run, long step) {
        return takeOut(ResidentSession.class, session -> session.run().equals(run) && session.step() == step);
    }

    private static boolean sharded(RunSpec run) {
        return ConfigJson.read(run.configJson()).get(ExecutorKeys.SHARD_BASE);
    }

    private static int part(RunSpec run, ResidentSession idle, Collective collective) {
        if (!sharded(run)) {
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
            } else {
                session.begin();
            }
            return session;
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(session));
        }
    }

    /**
     * One idle session of a kind, or null. Others that fit stay: they are of other ranks in this JVM. What doesn't fit is closed.
     */
    public static synchronized <S extends AutoCloseable> S takeOut(Class<S> kind, Predicate<S> fits) {
        List<S> fitting = new ArrayList<>();
        List<AutoCloseable> others = new ArrayList<>();
        for (AutoCloseable session : IDLE) {
            if (kind.isInstance(session) && fits.test(kind.cast(session))) {
                fitting.add(kind.cast(session));
            } else {
                others.add(session);
            }
        }
        IDLE.removeAll(others);
        Closing.all(others);
        if (fitting.isEmpty()) {
            return null;
        }
        IDLE.remove(fitting.get(0));
        return fitting.get(0);
    }

    /** Leaves a session to the run's next chunk. */
    public static synchronized void release(AutoCloseable session) {
        IDLE.add(session);
    }

    /** Closes every idle session. */
    public static synchronized void closeAll() {
        List<AutoCloseable> all = List.copyOf(IDLE);
        IDLE.clear();
        Closing.all(all);
    }
}
