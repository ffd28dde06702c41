// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** How a fresh adapter's {@code A} begins. */
final class LoraInit {

    private LoraInit() {}

    /** An {@code A} of the slot's shape. The numbers are this project's own, a function of seed and name, so that neither thread
     *  nor order of initialisation matters. */
    static ByteBuffer of(InitLoraWeights init, Slot slot, long seed) {
        SplitMix random = new SplitMix(seed, slot.name());
        ByteBuffer out = ByteBuffer.allocateDirect(Math.toIntExact(slot.size() * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        // PEFT's kaiming_uniform_(a=√5) is uniform in ±1/√in_features
        float bound = (float) (1 / Math.sqrt(slot.cols()));
        double deviation = 1.0 / slot.rows();
        while (out.hasRemaining()) {
            out.putFloat(
                    init.kind() == InitLoraWeights.Kind.GAUSSIAN
                            ? (float) (deviation * random.nextNormal())
                            : (2 * random.nextFloat() - 1) * bound);
        }
        return out.flip();
    }
}
