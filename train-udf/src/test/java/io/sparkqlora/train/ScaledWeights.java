// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Set;

/**
 * Random weights ten times as large as a fresh model's, so that attention and activations are far from linear and a wrong
 * gradient shows.
 */
final class ScaledWeights implements WeightSource {

    private static final float FACTOR = 10;

    private final WeightSource weights;

    ScaledWeights(ModelConfig config) {
        weights = new RandomWeights(config, 7);
    }

    @Override
    public Set<String> names() {
        return weights.names();
    }

    @Override
    public TensorInfo info(String name) {
        return new TensorInfo(DType.F32, weights.info(name).shape());
    }

    @Override
    public ByteBuffer readRows(String name, long from, long to) {
        ByteBuffer in = weights.readRows(name, from, to).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out = ByteBuffer.allocateDirect(2 * in.remaining()).order(ByteOrder.LITTLE_ENDIAN);
        float factor = name.endsWith("norm.weight") ? 1 : FACTOR;
        while (in.hasRemaining()) {
            out.putFloat(Float.intBitsToFloat(in.getShort() << Short.SIZE) * factor);
        }
        return out.flip();
    }
}
