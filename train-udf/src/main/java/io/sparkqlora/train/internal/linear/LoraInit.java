// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** How a fresh adapter's {@code A} begins. */
final class LoraInit {

    private LoraInit() {}

    /**
     * PEFT's {@code kaiming_uniform_(a=√5)}: uniform in ±1/√in_features. The numbers are this project's own, a function of
     * seed and name, so that neither thread nor order of initialisation matters.
     */
    static ByteBuffer kaimingUniform(Slot slot, long seed) {
        SplitMix random = new SplitMix(seed, slot.name());
        float bound = (float) (1 / Math.sqrt(slot.cols()));
        ByteBuffer out = ByteBuffer.allocateDirect(Math.toIntExact(slot.size() * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        while (out.hasRemaining()) {
            out.putFloat((2 * random.nextFloat() - 1) * bound);
        }
        return out.flip();
    }
}
