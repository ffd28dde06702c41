// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MemoryAmountTest {

    @ParameterizedTest
    @CsvSource({
        "24GiB, 25769803776",
        "24gib, 25769803776",
        "24GB, 24000000000",
        "1.5 MiB, 1572864",
        "800KB, 800000",
        "1TiB, 1099511627776",
        "4096, 4096",
        "4096B, 4096"
    })
    void unitsAreAcceleratesOwn(String text, long bytes) {
        assertThat(MemoryAmount.bytes(text)).hasValue(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "0.1", "-1GiB", "GiB", "24G", "24Gb/s", "ten", "{0: 24GiB}", "99999999TiB"})
    void whatIsNoAmountIsNone(String text) {
        assertThat(MemoryAmount.bytes(text)).isEmpty();
    }
}
