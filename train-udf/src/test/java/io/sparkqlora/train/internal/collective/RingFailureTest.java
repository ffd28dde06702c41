// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.RingMember;
import io.sparkqlora.train.RingRendezvous;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;

/** The first failure is what every rank reports, whichever way it comes. */
class RingFailureTest {

    private static final Duration LONG = Duration.ofSeconds(60);
    private static final Duration SHORT = Duration.ofMillis(600);

    @Test
    void aRankThatHangsIsNamedByAllOthers() {
        CountDownLatch others = new CountDownLatch(3);
        List<Ended<Void>> all = Ranks.run(4, SHORT, ring -> {
            ring.begin(7);
            ring.allGather(1);
            if (ring.rank() == 2) {
                others.await();
                return null;
            }
            try {
                SocketRingTest.sum(ring, new float[3_000_000]);
            } finally {
                others.countDown();
            }
            return null;
        });
        for (int rank : new int[] {0, 1, 3}) {
            lost(all.get(rank), "QLORA-T100: rank 2 (localhost:", " was silent for ", "run r1, chunk 3, attempt 1");
        }
    }

    @Test
    void aSlowRankIsWaitedForByThoseThatWaitThemselves() {
        // rank 1 is late by less than the timeout, and in all by more; ranks that wait for ranks that wait for it are
        // silent to nobody. Being late is the case itself, not a wait; the timeout has room for a busy machine
        List<Ended<Float>> all = Ranks.run(4, Duration.ofSeconds(3), ring -> {
            float sum = 0;
            for (int i = 0; i < 4; i++) {
                Thread.sleep(ring.rank() == 1 ? 900 : 0);
                sum += SocketRingTest.sum(ring, new float[] {1})[0];
            }
            return sum;
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.value()).isEqualTo(16f));
    }

    @Test
    void aRankThatEndsInTheMiddleIsNamedByAllOthers() {
        List<Ended<Void>> all = Ranks.run(4, LONG, ring -> {
            ring.begin(2);
            ring.allGather(1);
            if (ring.rank() == 2) {
                // half a sum, and then the process is gone
                RingWait connections = ((SocketRing) ring).connections();
                connections.next().send(new FrameHeader(FrameHeader.Type.REDUCE, 750_000, 0, 2, 2), bytes(1000));
                connections.next().flush();
                ((SocketRing) ring).cut();
                return null;
            }
            SocketRingTest.sum(ring, new float[750_000]);
            return null;
        });
        for (int rank : new int[] {0, 1, 3}) {
            lost(all.get(rank), "QLORA-T101: rank 2 (localhost:", " is gone: ");
        }
    }

    @Test
    void aRankThatFailsTellsTheOthersWhy() {
        List<Ended<Void>> all = Ranks.run(3, LONG, ring -> {
            ring.begin(9);
            if (ring.rank() == 1) {
                throw new IllegalStateException("boom");
            }
            ring.allGather(1);
            return null;
        });
        assertThat(all.get(1).failure()).hasMessage("boom");
        for (int rank : new int[] {0, 2}) {
            lost(
                    all.get(rank),
                    "QLORA-T102: rank 1 (localhost:",
                    " failed with IllegalStateException: boom (step 9, run r1");
        }
    }

    @Test
    void anErrorThatPeopleCanActOnKeepsItsCodeAndKind() {
        List<Ended<Void>> all = Ranks.run(3, LONG, ring -> {
            if (ring.rank() == 2) {
                throw TrainErrors.tokenOutOfVocabulary(17, "labels", 99, 51);
            }
            ring.allGather(1);
            return null;
        });
        for (int rank : new int[] {0, 1}) {
            assertThat(all.get(rank).failure())
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INPUT))
                    .hasMessageStartingWith("QLORA-T059: rank 2: row 17 has 99 in labels");
        }
    }

    @Test
    void garbageIsNamedByTheRankThatGotItAndToldToTheOthers() {
        List<Ended<Void>> all = Ranks.run(3, LONG, ring -> {
            if (ring.rank() == 0) {
                SocketChannel channel = ((SocketRing) ring).connections().next().channel();
                channel.write(bytes(64));
            }
            ring.allGather(1);
            ring.allGather(2);
            return null;
        });
        assertThat(all).allSatisfy(ended -> lost(ended, "QLORA-T103: rank 0 (localhost:", "no frame's header"));
    }

    @Test
    void ranksThatDoDifferentThingsFindOut() {
        List<Ended<Void>> all = Ranks.run(2, LONG, ring -> {
            ring.begin(ring.rank() + 4);
            ring.allGather(1);
            return null;
        });
        assertThat(all).allSatisfy(ended -> lost(ended, "QLORA-T106: rank ", "GATHER 1.0 of step "));
    }

    @Test
    void aRankWhoseTaskIsKilledEndsItsWaitAndTheOthersHearOfIt() throws Exception {
        RingRendezvous[] ports = {
            RingRendezvous.open(Ranks.member(0, 2), "localhost", LONG),
            RingRendezvous.open(Ranks.member(1, 2), "localhost", LONG)
        };
        String[] invitations = {ports[0].invitation(), ports[1].invitation()};
        boolean[] killed = {false};
        CompletableFuture<Collective> other = CompletableFuture.supplyAsync(() -> ports[1].join(invitations, () -> {}));
        Collective ring = ports[0].join(invitations, () -> {
            if (killed[0]) {
                throw new IllegalStateException("task killed");
            }
        });
        Collective waiting = other.get();
        CompletableFuture<Object> failure = CompletableFuture.supplyAsync(() -> waiting.allGather(1, 2, 3));
        failure.exceptionally(e -> null);
        killed[0] = true;
        Throwable mine = catchThrowable(() -> ring.allGather(1));
        assertThat(mine).hasMessage("task killed");
        assertThat(catchThrowable(failure::get))
                .isInstanceOf(ExecutionException.class)
                .hasMessageContaining("QLORA-T102: rank 0 (localhost:")
                .hasMessageContaining("failed with IllegalStateException: task killed");
        ports[0].close();
        ports[1].close();
    }

    @Test
    void anotherThreadOfARankCanEndItsWait() {
        CountDownLatch aborted = new CountDownLatch(1);
        List<Ended<Void>> all = Ranks.run(3, LONG, ring -> {
            ring.begin(4);
            if (ring.rank() == 2) {
                CompletableFuture<Void> waiting = CompletableFuture.runAsync(() -> ring.allGather(1, 2));
                Thread.sleep(100);
                ring.abort(new IllegalStateException("backward failed"));
                aborted.countDown();
                assertThat(catchThrowable(waiting::get)).hasMessageContaining("rank 2 (");
                return null;
            }
            if (ring.rank() == 1) {
                aborted.await();
            }
            ring.allGather(1, 2);
            ring.allGather(3, 4); // what rank 2 had sent before may have been all that a rank needed
            return null;
        });
        assertThat(all.get(2).failure()).isNull();
        for (int rank : new int[] {0, 1}) {
            lost(
                    all.get(rank),
                    "QLORA-T102: rank 2 (localhost:",
                    " failed with IllegalStateException: backward failed");
        }
    }

    @Test
    void aRankThatDoesNotJoinIsNamed() {
        try (RingRendezvous mine = RingRendezvous.open(Ranks.member(0, 2), "localhost", SHORT);
                RingRendezvous silent = RingRendezvous.open(Ranks.member(1, 2), "localhost", SHORT)) {
            String[] invitations = {mine.invitation(), silent.invitation()};
            assertThat(catchThrowable(() -> mine.join(invitations, () -> {})))
                    .hasMessageContaining("QLORA-T105: rank 1 (localhost:")
                    .hasMessageContaining("did not join: nothing came for 0.6 s");
        }
    }

    @Test
    void aTaskOfAnotherAttemptIsRefusedAndTheRightOneStillJoins() throws Exception {
        RingRendezvous[] ports = {
            RingRendezvous.open(Ranks.member(0, 2), "localhost", LONG),
            RingRendezvous.open(Ranks.member(1, 2), "localhost", LONG),
            RingRendezvous.open(new RingMember("r1", 3, 0, 1, 2), "localhost", LONG)
        };
        String[] invitations = {ports[0].invitation(), ports[1].invitation()};
        CompletableFuture<Collective> zero = CompletableFuture.supplyAsync(() -> ports[0].join(invitations, () -> {}));
        Throwable refused = catchThrowable(() -> ports[2].join(invitations, () -> {}));
        assertThat(refused)
                .hasMessageContaining("QLORA-T104: the task at /127.0.0.1:")
                .hasMessageContaining("is refused: it is attempt 0, expected was attempt 1");
        CompletableFuture<Collective> one = CompletableFuture.supplyAsync(() -> ports[1].join(invitations, () -> {}));
        CompletableFuture<long[][]> sent = zero.thenApply(ring -> ring.allGather(5));
        assertThat(one.get().allGather(6)[0][0]).isEqualTo(5);
        assertThat(sent.get()[1][0]).isEqualTo(6);
        CompletableFuture<Void> closing =
                CompletableFuture.runAsync(() -> zero.join().close());
        one.get().close();
        closing.get();
        for (RingRendezvous port : ports) {
            port.close();
        }
    }

    @Test
    void aStrangerWithoutTheNonceIsRefused() {
        Hello expected = new Hello(Ranks.member(1, 2), "aa");
        assertThat(Hello.problem(new Hello(Ranks.member(1, 2), "aa").encoded(), expected))
                .isNull();
        assertThat(Hello.problem(new Hello(Ranks.member(1, 2), "ab").encoded(), expected))
                .isEqualTo("it does not have this attempt's nonce");
        assertThat(Hello.problem(bytes(30), expected)).isEqualTo("it does not say who it is");
        assertThat(Hello.problem(new Hello(Ranks.member(0, 2), "aa").encoded(), expected))
                .isEqualTo("it is rank 0, expected was rank 1");
    }

    private static ByteBuffer bytes(int count) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(count);
        for (int i = 0; i < count; i++) {
            bytes.put(i, (byte) (3 + 7 * i));
        }
        return bytes;
    }

    private static void lost(Ended<?> ended, String start, String... parts) {
        assertThat(ended.failure())
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.RANK_LOST))
                .hasMessageStartingWith(start)
                .hasMessageContainingAll(parts);
    }
}
