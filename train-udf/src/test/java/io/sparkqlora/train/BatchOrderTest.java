// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BatchOrderTest {

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 7, 64, 100, 1023, 1025, 4160})
    void eachEpochHoldsEachRowOnce(long rows) {
        for (long epoch = 0; epoch < 3; epoch++) {
            assertThat(order(42, epoch, rows).sorted().toArray())
                    .isEqualTo(LongStream.range(0, rows).toArray());
        }
    }

    @Test
    void seedAndEpochChangeTheOrder() {
        assertThat(order(42, 0, 1000).toArray()).isEqualTo(order(42, 0, 1000).toArray());
        assertThat(order(42, 0, 1000).toArray()).isNotEqualTo(order(42, 1, 1000).toArray());
        assertThat(order(42, 0, 1000).toArray()).isNotEqualTo(order(43, 0, 1000).toArray());
    }

    @Test
    void placesAndRowsAreUncorrelated() {
        long rows = 1000;
        double mean = (rows - 1) / 2.0;
        double variance = (rows * rows - 1) / 12.0;
        for (long epoch = 0; epoch < 20; epoch++) {
            long e = epoch;
            double covariance = LongStream.range(0, rows)
                            .mapToDouble(p -> (p - mean) * (BatchOrder.rowIndex(7, e, rows, p) - mean))
                            .sum()
                    / rows;
            // five standard deviations of the correlation of random orders, 1/√(rows − 1)
            assertThat(covariance / variance).isBetween(-0.16, 0.16);
        }
    }

    @Test
    void reachesFarBeyondMemory() {
        long rows = 3_000_000_000_000L;
        assertThat(LongStream.range(0, 10_000)
                        .map(p -> BatchOrder.rowIndex(1, 0, rows, p))
                        .distinct()
                        .filter(row -> row >= 0 && row < rows)
                        .count())
                .isEqualTo(10_000);
    }

    @Test
    void aPlaceOutsideIsRefused() {
        assertThatThrownBy(() -> BatchOrder.rowIndex(1, 0, 10, 10)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    private static LongStream order(long seed, long epoch, long rows) {
        return LongStream.range(0, rows).map(place -> BatchOrder.rowIndex(seed, epoch, rows, place));
    }
}
