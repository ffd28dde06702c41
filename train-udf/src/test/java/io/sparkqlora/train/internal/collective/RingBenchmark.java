// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;
import java.time.Duration;

/** How fast ranks of one machine add up, over its loopback device: {@code main}, no arguments. */
final class RingBenchmark {

    private static final int MEBI = 1 << 20;
    private static final int WARM_UP = 5;
    private static final int REPETITIONS = 20;

    private RingBenchmark() {}

    public static void main(String[] args) {
        for (int ranks : new int[] {2, 4}) {
            for (int mebibytes : new int[] {1, 16, 64}) {
                double fastest = Ranks.run(ranks, Duration.ofSeconds(60), ring -> {
                            ByteBuffer values = ByteBuffer.allocateDirect(mebibytes * MEBI);
                            double best = Double.MAX_VALUE;
                            for (int i = 0; i < WARM_UP + REPETITIONS; i++) {
                                ring.allGather(i);
                                long begin = System.nanoTime();
                                ring.allReduceSum(values);
                                best = Math.min(best, (System.nanoTime() - begin) / 1e9);
                            }
                            return best;
                        })
                        .get(0)
                        .value();
                System.out.printf(
                        "%d ranks, %d MiB: %.2f ms, %.0f MB/s%n",
                        ranks, mebibytes, fastest * 1e3, mebibytes * (double) MEBI / fastest / 1e6);
            }
        }
    }
}
