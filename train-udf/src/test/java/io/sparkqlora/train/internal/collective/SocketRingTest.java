// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.train.Collective;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SocketRingTest {

    private static final Duration LONG = Duration.ofSeconds(60);

    @ParameterizedTest
    @CsvSource({"2, 1000", "3, 1000", "3, 1", "5, 3", "5, 0", "5, 12_345", "3, 400_000", "2, 1_000_001"})
    void sumsInTheOrderOfTheRing(int ranks, String count) {
        int n = Integer.parseInt(count.replace("_", ""));
        float[][] values = new float[ranks][];
        for (int rank = 0; rank < ranks; rank++) {
            values[rank] = random(rank, n);
        }
        float[] expected = inOrder(values);
        for (int repetition = 0; repetition < 2; repetition++) {
            List<Ended<float[]>> sums = Ranks.run(ranks, LONG, ring -> sum(ring, values[ring.rank()]));
            for (Ended<float[]> sum : sums) {
                assertThat(sum.failure()).isNull();
                assertThat(Arrays.equals(sum.value(), expected)).isTrue();
            }
        }
    }

    /** What the Javadoc promises: segment s is added up from rank s on. */
    private static float[] inOrder(float[][] values) {
        int ranks = values.length;
        int n = values[0].length;
        float[] sums = new float[n];
        for (int s = 0; s < ranks; s++) {
            for (int i = (int) ((long) n * s / ranks); i < (int) ((long) n * (s + 1) / ranks); i++) {
                float sum = values[s][i];
                for (int hop = 1; hop < ranks; hop++) {
                    sum += values[(s + hop) % ranks][i];
                }
                sums[i] = sum;
            }
        }
        return sums;
    }

    private static float[] random(long seed, int n) {
        Random random = new Random(seed);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian() * (1 << random.nextInt(20));
        }
        return values;
    }

    static float[] sum(Collective collective, float[] values) {
        // neither at the start of the buffer nor up to its end
        ByteBuffer bytes = ByteBuffer.allocateDirect(values.length * Float.BYTES + 8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .position(4)
                .limit(values.length * Float.BYTES + 4);
        bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(values);
        collective.allReduceSum(bytes);
        assertThat(bytes.remaining()).isEqualTo(values.length * Float.BYTES);
        float[] sums = new float[values.length];
        bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(sums);
        return sums;
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 5})
    void gathersBytesOfAnyLengthByRank(int ranks) {
        List<Ended<String>> all = Ranks.run(ranks, LONG, ring -> {
            String texts = String.join(",", ring.allGather("x".repeat(ring.rank())));
            return texts + Arrays.deepToString(ring.allGather(ring.rank(), -5L));
        });
        StringBuilder texts = new StringBuilder();
        StringBuilder numbers = new StringBuilder();
        for (int rank = 0; rank < ranks; rank++) {
            texts.append(rank == 0 ? "" : ",").append("x".repeat(rank));
            numbers.append(rank == 0 ? "" : ", ").append("[").append(rank).append(", -5]");
        }
        assertThat(all).allSatisfy(ended -> {
            assertThat(ended.failure()).isNull();
            assertThat(ended.value()).isEqualTo(texts + "[" + numbers + "]");
        });
    }

    @ParameterizedTest
    @CsvSource({"2, 0", "2, 1000", "3, 1", "5, 777", "3, 2000000"})
    void gathersPartsInPlace(int ranks, int length) {
        List<Ended<Boolean>> all = Ranks.run(ranks, LONG, ring -> {
            ByteBuffer[] parts = new ByteBuffer[ranks];
            for (int rank = 0; rank < ranks; rank++) {
                parts[rank] = ByteBuffer.allocateDirect(length + 2).position(1).limit(length + 1);
            }
            parts[ring.rank()].slice().put(bytes(ring.rank(), length));
            ring.allGatherInto(parts);
            boolean right = true;
            for (int rank = 0; rank < ranks; rank++) {
                right &= parts[rank].equals(ByteBuffer.wrap(bytes(rank, length)));
                right &=
                        parts[rank].get(0) == 0 && parts[rank].limit(length + 2).get(length + 1) == 0;
            }
            return right;
        });
        assertThat(all).allSatisfy(ended -> {
            assertThat(ended.failure()).isNull();
            assertThat(ended.value()).isTrue();
        });
    }

    private static byte[] bytes(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void manyCallsInARowKeepTheirOrder() {
        List<Ended<Double>> all = Ranks.run(3, LONG, ring -> {
            double total = 0;
            for (int i = 1; i <= 200; i++) {
                ring.begin(i);
                total += ring.allGather(i)[(ring.rank() + 1) % 3][0];
                total += sum(ring, new float[] {i, ring.rank()})[1];
            }
            return total;
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.value()).isEqualTo(200 * 201 / 2 + 200 * 3));
    }

    @Test
    void aWorldOfOneGivesBackWhatWentIn() {
        try (Collective solo = Collective.solo()) {
            assertThat(sum(solo, new float[] {1, 2})).isEqualTo(new float[] {1, 2});
            assertThat(solo.allGather("me")).containsExactly("me");
            assertThat(solo.worldSize()).isOne();
        }
    }

    @Test
    void whatIsTooLongOrNotDirectIsRefused() {
        assertThat(Ranks.run(2, LONG, ring -> {
                    assertThatThrownBy(() -> ring.allReduceSum(ByteBuffer.allocate(8)))
                            .hasMessageContaining("it takes direct buffers of F32");
                    assertThatThrownBy(() -> ring.allGather(new byte[(1 << 20) + 1]))
                            .hasMessageContaining("1048577 bytes to gather");
                    ByteBuffer two = ByteBuffer.allocateDirect(2);
                    for (ByteBuffer[] parts : List.of(
                            new ByteBuffer[] {two},
                            new ByteBuffer[] {two, ByteBuffer.allocateDirect(3)},
                            new ByteBuffer[] {two, ByteBuffer.allocate(2)})) {
                        assertThatThrownBy(() -> ring.allGatherInto(parts))
                                .hasMessageContaining("a direct buffer for each of 2 ranks, all of one length");
                    }
                    return new String(ring.allGather("a".getBytes(StandardCharsets.UTF_8))[1], StandardCharsets.UTF_8);
                }))
                .allSatisfy(ended -> assertThat(ended.value()).isEqualTo("a"));
    }
}
