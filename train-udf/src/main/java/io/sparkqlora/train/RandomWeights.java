// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.internal.checkpoint.ModelTensors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/**
 * Weights for benchmarks: a function of configuration and seed, BF16, normal with mean 0 and standard deviation 0.02
 * (transformers' {@code initializer_range}), norms 1 with their offset. Every tensor is a stretch of one block of random numbers that repeats,
 * begun at another place each, so that billions of them cost no more than copying.
 */
public final class RandomWeights implements WeightSource {

    private static final double STANDARD_DEVIATION = 0.02;

    /** A prime, so that no row of a usual length begins where another does. */
    private static final int BLOCK = 1_048_573;

    private final Map<String, TensorInfo> tensors = new LinkedHashMap<>();
    private final Map<String, Long> starts = new LinkedHashMap<>();
    private final ByteBuffer block;
    private final short norm;

    /** Weights of a model; reading is thread-safe. */
    public RandomWeights(ModelConfig config, long seed) {
        ModelTensors.of(config).forEach((name, shape) -> tensors.put(name, new TensorInfo(DType.BF16, shape)));
        norm = bf16(1 - config.traits().normWeightOffset());
        Random random = new Random(seed);
        tensors.keySet().forEach(name -> starts.put(name, (long) random.nextInt(BLOCK)));
        block = ByteBuffer.allocate(BLOCK * DType.BF16.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        while (block.hasRemaining()) {
            block.putShort(bf16((float) (random.nextGaussian() * STANDARD_DEVIATION)));
        }
        block.flip();
    }

    private static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) ((bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16);
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(tensors.keySet());
    }

    @Override
    public TensorInfo info(String name) {
        TensorInfo info = tensors.get(name);
        if (info == null) {
            throw CheckpointErrors.tensorMissing("random weights", name, "check the shape's configuration");
        }
        return info;
    }

    @Override
    public ByteBuffer readRows(String name, long from, long to) {
        long cols = info(name).cols();
        int bytes = Math.toIntExact((to - from) * cols * DType.BF16.bytes());
        ByteBuffer out = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
        fill(name, from * cols, out);
        return out.flip();
    }

    @Override
    public ByteSource rows(String name, long from, long to) {
        return new Rows(name, from * info(name).cols(), to * info(name).cols());
    }

    /** Elements {@code from} to {@code to} of a tensor. */
    private final class Rows implements ByteSource {

        private final String name;
        private final long from;
        private final long to;

        Rows(String name, long from, long to) {
            this.name = name;
            this.from = from;
            this.to = to;
        }

        @Override
        public long bytes() {
            return (to - from) * DType.BF16.bytes();
        }

        @Override
        public ByteBuffer read(long position, int count, ByteBuffer space) {
            ByteBuffer out = space.duplicate().clear().limit(count).order(ByteOrder.LITTLE_ENDIAN);
            fill(name, from + position / DType.BF16.bytes(), out);
            return out.flip();
        }
    }

    /** Elements from {@code first} on, as many as there is room for. */
    private void fill(String name, long first, ByteBuffer out) {
        if (name.endsWith("norm.weight")) {
            while (out.hasRemaining()) {
                out.putShort(norm);
            }
        } else {
            copy((starts.get(name) + first) % BLOCK, out);
        }
    }

    private void copy(long start, ByteBuffer out) {
        int at = (int) start * DType.BF16.bytes();
        while (out.hasRemaining()) {
            int count = Math.min(out.remaining(), block.limit() - at);
            out.put(block.duplicate().position(at).limit(at + count));
            at = 0;
        }
    }
}
