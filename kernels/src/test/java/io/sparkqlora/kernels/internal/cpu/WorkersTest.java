// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class WorkersTest {

    @Test
    void everyIndexRunsOnceInPiecesOfWholeGrains() {
        try (Workers workers = new Workers(3)) {
            for (int n : new int[] {0, 1, 7, 64, 1000}) {
                AtomicIntegerArray seen = new AtomicIntegerArray(n);
                workers.forRange(n, 8, (from, to) -> {
                    assertThat(from % 8).isZero();
                    for (long i = from; i < to; i++) {
                        seen.incrementAndGet((int) i);
                    }
                });
                for (int i = 0; i < n; i++) {
                    assertThat(seen.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @Test
    void severalThreadsTakePart() {
        try (Workers workers = new Workers(2)) {
            Set<Thread> threads = ConcurrentHashMap.newKeySet();
            CountDownLatch both = new CountDownLatch(2);
            workers.forRange(2, 1, (from, to) -> {
                threads.add(Thread.currentThread());
                both.countDown();
                // the other piece can only run on another thread while this one waits
                awaitOrFail(both);
            });
            assertThat(threads).hasSize(2).contains(Thread.currentThread());
        }
    }

    /** Threads that have nothing to do leave the processor to others: the caller behind a slow piece, helpers between loops. */
    @Test
    void whoeverWaitsIsParked() {
        try (Workers workers = new Workers(2)) {
            Set<Thread> helpers = ConcurrentHashMap.newKeySet();
            CountDownLatch both = new CountDownLatch(2);
            Thread caller = Thread.currentThread();
            workers.forRange(2, 1, (from, to) -> {
                both.countDown();
                awaitOrFail(both);
                if (Thread.currentThread() != caller) {
                    helpers.add(Thread.currentThread());
                    awaitState(caller, Thread.State.WAITING);
                }
            });
            assertThat(helpers).hasSize(1);
            awaitState(helpers.iterator().next(), Thread.State.WAITING);
        }
    }

    private static void awaitOrFail(CountDownLatch latch) {
        try {
            assertThat(latch.await(20, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitState(Thread thread, Thread.State state) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (thread.getState() != state && System.nanoTime() < end) {
            Thread.yield();
        }
        assertThat(thread.getState()).isEqualTo(state);
    }

    @Test
    void theFirstFailurePropagatesAndTheNextLoopRuns() {
        try (Workers workers = new Workers(2)) {
            assertThatThrownBy(() -> workers.forRange(100, 1, (from, to) -> {
                        throw new IllegalStateException("piece at " + from);
                    }))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageStartingWith("piece at ");
            assertThatThrownBy(() -> workers.forRange(1, 1, (from, to) -> {
                        throw new AssertionError("an error");
                    }))
                    .isInstanceOf(AssertionError.class)
                    .hasMessage("an error");
            AtomicIntegerArray seen = new AtomicIntegerArray(1);
            workers.forRange(1, 1, (from, to) -> seen.incrementAndGet(0));
            assertThat(seen.get(0)).isEqualTo(1);
        }
    }

    @Test
    void nestedLoopsAreRefused() {
        try (Workers workers = new Workers(2)) {
            assertThatThrownBy(() ->
                            workers.forRange(1, 1, (from, to) -> workers.forRange(1, 1, (innerFrom, innerTo) -> {})))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("can't start another one");
        }
    }

    @Test
    void threadCountsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> new Workers(0))
                .isInstanceOf(QLoraException.class)
                .hasMessage("QLORA-K003: the number of CPU threads can't be 0; set -Dqlora.cpu.threads to a positive"
                        + " whole number, or not at all");
    }

    @Test
    void theThreadCountCanBeSet() {
        System.setProperty(Workers.THREADS_PROPERTY, "3");
        try (Workers workers = Workers.ofThisMachine()) {
            assertThat(workers.threads()).isEqualTo(3);
            System.setProperty(Workers.THREADS_PROPERTY, "many");
            assertThatThrownBy(Workers::ofThisMachine)
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("can't be many");
        } finally {
            System.clearProperty(Workers.THREADS_PROPERTY);
        }
        try (Workers workers = Workers.ofThisMachine()) {
            assertThat(workers.threads()).isEqualTo(Runtime.getRuntime().availableProcessors());
        }
    }
}
