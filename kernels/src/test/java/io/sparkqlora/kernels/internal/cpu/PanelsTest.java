// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

@Tag(TestDevice.CPU_ONLY)
class PanelsTest {

    @Property(tries = 200)
    void coverEverythingOnceInWholeUnits(
            @ForAll @IntRange(min = 1, max = 20_000) int length,
            @ForAll @IntRange(min = 1, max = 1000) int wanted,
            @ForAll @IntRange(min = 1, max = 9) int threads) {
        try (Workers workers = new Workers(threads)) {
            Panels panels = Panels.of(length, wanted, workers);
            long end = 0;
            for (long i = 0; i < panels.count(); i++) {
                assertThat(panels.start(i)).isEqualTo(end);
                assertThat(panels.start(i) % Panels.UNIT).isZero();
                assertThat(panels.size(i)).isBetween(1L, Math.max(Panels.UNIT, wanted));
                end += panels.size(i);
            }
            assertThat(end).isEqualTo(length);
        }
    }

    /** Of a layer of TinyLlama, on two threads that share a loop in eight pieces. */
    @Example
    void everyThreadGetsAsMany() {
        try (Workers workers = new Workers(2)) {
            assertThat(Panels.of(11264, 252, workers).count()).isEqualTo(64);
            assertThat(Panels.of(5632, 256, workers).count()).isEqualTo(24);
            assertThat(Panels.of(2048, 256, workers).count()).isEqualTo(8);
            assertThat(Panels.of(500, 256, workers).count()).isEqualTo(2);
            assertThat(Panels.of(600, 256, workers).count()).isEqualTo(4);
        }
    }
}
