// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class NearestTest {

    @Test
    void countsEdits() {
        assertThat(Nearest.edits("kitten", "sitting")).isEqualTo(3);
        assertThat(Nearest.edits("", "abc")).isEqualTo(3);
        assertThat(Nearest.edits("same", "same")).isZero();
    }

    @Test
    void namesTheNearestOrNone() {
        List<String> names = List.of("lora_alpha", "lora_dropout", "r");
        assertThat(Nearest.to("lora_alhpa", names)).contains("lora_alpha");
        assertThat(Nearest.to("temperature", names)).isEmpty();
    }
}
