// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.upload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.QLoraException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ReadAheadTest {

    private static final int PIECE = 10;
    private static final int PIECES = 4;

    private final AtomicInteger reads = new AtomicInteger();

    /** Byte {@code i} is {@code seed · i}; reading takes the longer the earlier it is, so that threads overtake each other. */
    private ByteSource source(int seed, int bytes, int failsAt) {
        return new ByteSource() {
            @Override
            public long bytes() {
                return bytes;
            }

            @Override
            public ByteBuffer read(long position, int count, ByteBuffer space) {
                reads.incrementAndGet();
                LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(500 * (3 - position / PIECE % 4)));
                if (position == failsAt) {
                    throw new IllegalStateException("byte " + position + " of source " + seed);
                }
                ByteBuffer out = space.duplicate().clear().position(3).limit(3 + count);
                for (int i = 0; i < count; i++) {
                    out.put(3 + i, (byte) (seed * (position + i)));
                }
                return out;
            }
        };
    }

    private ByteSource source(int seed, int bytes) {
        return source(seed, bytes, -1);
    }

    private static ReadAhead read(ByteSource... sources) {
        List<ByteBuffer> ring = Stream.generate(() -> ByteBuffer.allocateDirect(PIECE + ByteSource.SLACK))
                .limit(PIECES)
                .toList();
        return new ReadAhead(List.of(sources), ring, PIECE, 3);
    }

    private static void check(ReadAhead ahead, int seed, int bytes) {
        ahead.begin(bytes);
        for (int at = 0; at < bytes; ) {
            ByteBuffer piece = ahead.take();
            assertThat(piece.remaining()).isEqualTo(Math.min(PIECE, bytes - at));
            while (piece.hasRemaining()) {
                assertThat(piece.get()).isEqualTo((byte) (seed * at++));
            }
            ahead.release();
        }
    }

    @Test
    void piecesComeInOrderWhoeverReadsThem() {
        try (ReadAhead ahead = read(source(1, 95), source(2, 0), source(3, 10), source(5, 203))) {
            check(ahead, 1, 95);
            check(ahead, 2, 0);
            check(ahead, 3, 10);
            check(ahead, 5, 203);
            assertThat(reads).hasValue(10 + 1 + 21);
        }
    }

    @Test
    void nothingIsReadBeyondTheRing() {
        try (ReadAhead ahead = read(source(1, 1000))) {
            ahead.take();
            ahead.take();
            assertThat(ahead.held()).isEqualTo(2);
            long giveUp = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
            while (reads.get() < PIECES && System.nanoTime() < giveUp) {
                Thread.onSpinWait();
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50)); // for one that would be too many
            assertThat(reads).hasValue(PIECES);
            ahead.release();
            ahead.take();
            ahead.take();
            assertThat(ahead.nextPlace()).isZero();
            ahead.take();
            assertThat(reads).hasValue(PIECES + 1);
        }
    }

    @Test
    void aFailureIsThrownWhereItsPieceWouldHaveBeen() {
        try (ReadAhead ahead = read(source(1, 30), source(7, 60, 20))) {
            check(ahead, 1, 30);
            ahead.begin(60);
            ahead.take();
            ahead.take();
            assertThatThrownBy(ahead::take).hasMessage("byte 20 of source 7");
        }
    }

    @Test
    void aTensorOfAnotherSizeIsAFaultOfTheCaller() {
        try (ReadAhead ahead = read(source(1, 30))) {
            assertThatThrownBy(() -> ahead.begin(31))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("source 0 of 1 has 30 bytes, the tensor 31");
            ahead.begin(30);
            assertThatThrownBy(() -> ahead.begin(30)).hasMessage("source 1 of 1 has no bytes, the tensor 30");
        }
    }

    @Test
    void whoIsInterruptedWhileWaitingHearsOfIt() {
        ByteSource slow = source(1, 30);
        try (ReadAhead ahead = read(slow)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> {
                        ahead.take();
                        ahead.take();
                        ahead.take();
                        ahead.take(); // there is none: it would wait for ever
                    })
                    .isInstanceOf(QLoraException.class)
                    .hasMessageStartingWith("QLORA-K060: interrupted while the weights were being read; ");
            assertThat(Thread.currentThread().isInterrupted()).isTrue();
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
    }
}
