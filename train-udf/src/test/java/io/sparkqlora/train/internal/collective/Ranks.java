// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.Collective;
import io.sparkqlora.train.RingMember;
import io.sparkqlora.train.RingRendezvous;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** Ranks of a ring as threads of this JVM. */
public final class Ranks {

    private Ranks() {}

    /** What a rank does; what it throws is told to the others. */
    public interface Work<T> {
        T run(Collective collective) throws Exception;
    }

    /** How a rank ended: with a value or a failure. */
    public record Ended<T>(T value, Throwable failure) {}

    /** Runs all ranks to their ends. */
    public static <T> List<Ended<T>> run(int ranks, Duration timeout, Work<T> work) {
        List<RingRendezvous> ports = new ArrayList<>();
        for (int rank = 0; rank < ranks; rank++) {
            ports.add(RingRendezvous.open(member(rank, ranks), "localhost", timeout));
        }
        String[] invitations = ports.stream().map(RingRendezvous::invitation).toArray(String[]::new);
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        try {
            List<Future<T>> futures = new ArrayList<>();
            for (RingRendezvous port : ports) {
                futures.add(threads.submit(() -> rank(port, invitations, work)));
            }
            return futures.stream().map(Ranks::ended).toList();
        } finally {
            threads.shutdownNow();
        }
    }

    static RingMember member(int rank, int ranks) {
        return new RingMember("r1", 3, 1, rank, ranks);
    }

    /** A rank whose process ends at its n-th gather in place: its connections close without a word. */
    public static Collective endingAtGather(Collective ring, int n) {
        AtomicInteger calls = new AtomicInteger();
        return beforeGathers(ring, () -> {
            if (calls.incrementAndGet() == n) {
                ((SocketRing) ring).cut();
            }
        });
    }

    /** A rank whose process ends at its n-th gather of what fits into a word. */
    public static Collective endingAtWord(Collective ring, int n) {
        AtomicInteger calls = new AtomicInteger();
        return before("allGather", ring, () -> {
            if (calls.incrementAndGet() == n) {
                ((SocketRing) ring).cut();
            }
        });
    }

    /** A rank that does something before each gather in place. */
    public static Collective beforeGathers(Collective ring, Runnable action) {
        return before("allGatherInto", ring, action);
    }

    private static Collective before(String call, Collective ring, Runnable action) {
        InvocationHandler handler = (proxy, called, arguments) -> {
            if (called.getName().equals(call)) {
                action.run();
            }
            try {
                return called.invoke(ring, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        Class<?>[] types = {Collective.class};
        return (Collective) Proxy.newProxyInstance(Ranks.class.getClassLoader(), types, handler);
    }

    private static <T> T rank(RingRendezvous port, String[] invitations, Work<T> work) throws Exception {
        try (port;
                Collective collective = port.join(invitations, () -> {})) {
            try {
                return work.run(collective);
            } catch (Exception | Error e) {
                collective.abort(e);
                throw e;
            }
        }
    }

    private static <T> Ended<T> ended(Future<T> future) {
        try {
            return new Ended<>(future.get(), null);
        } catch (ExecutionException e) {
            return new Ended<>(null, e.getCause());
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
