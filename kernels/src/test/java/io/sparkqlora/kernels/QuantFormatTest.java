// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class QuantFormatTest {

    @Test
    void bytesCountTheShortLastBlockAndBothScales() {
        QuantFormat plain = new QuantFormat(QuantFormat.Type.NF4, 64, false);
        QuantFormat nested = new QuantFormat(QuantFormat.Type.NF4, 64, true);
        long elements = 64 * 257 + 1;

        assertThat(plain.blocks(elements)).isEqualTo(258);
        assertThat(plain.bytes(elements)).isEqualTo((elements + 1) / 2 + 4 * 258);
        assertThat(nested.nestedBlocks(elements)).isEqualTo(2);
        assertThat(nested.bytes(elements)).isEqualTo((elements + 1) / 2 + 258 + 4 * 2 + 4);
    }
}
