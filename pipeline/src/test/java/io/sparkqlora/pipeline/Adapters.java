// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.train.NamedTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;

/** What tests say of adapters' tensors. */
public final class Adapters {

    private Adapters() {}

    /** The same tensors, up to the rounding of sums in another order. */
    public static void requireClose(List<NamedTensor> actual, List<NamedTensor> expected) {
        assertThat(actual)
                .extracting(NamedTensor::name)
                .isEqualTo(expected.stream().map(NamedTensor::name).toList());
        for (int t = 0; t < actual.size(); t++) {
            FloatBuffer a = floats(actual.get(t));
            FloatBuffer b = floats(expected.get(t));
            for (int i = 0; i < a.limit(); i++) {
                assertThat(a.get(i)).as(actual.get(t).name()).isCloseTo(b.get(i), within(1e-4f));
            }
        }
    }

    private static FloatBuffer floats(NamedTensor tensor) {
        return ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }
}
