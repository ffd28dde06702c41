// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.RopeParameters;
import io.sparkqlora.train.TrainErrors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Cosines and sines of the rotary embedding by position, as transformers computes them: angles are rounded to F32, their
 * functions not before the end.
 *
 * @param cos F32 [positions, rotaryDim / 2]
 * @param sin F32 [positions, rotaryDim / 2]
 */
public record RopeTables(Tensor cos, Tensor sin) {

    /** Tables for positions 0 to {@code positions − 1}, unfilled. */
    public static RopeTables take(ModelConfig config, int positions, Arena arena) {
        int half = config.traits().rotaryDim() / 2;
        return new RopeTables(arena.take(DType.F32, positions, half), arena.take(DType.F32, positions, half));
    }

    /** Fills the tables. */
    public void fill(Device device, ModelConfig config) {
        float[] frequencies = inverseFrequencies(config.rope(), config.traits().rotaryDim());
        int positions = Math.toIntExact(cos.rows());
        ByteBuffer cosines = floats(positions, frequencies.length);
        ByteBuffer sines = floats(positions, frequencies.length);
        for (int position = 0; position < positions; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                cosines.putFloat((float) StrictMath.cos(angle));
                sines.putFloat((float) StrictMath.sin(angle));
            }
        }
        device.copyIn(cosines.flip(), cos);
        device.copyIn(sines.flip(), sin);
    }

    private static ByteBuffer floats(int rows, int cols) {
        return ByteBuffer.allocateDirect(Math.toIntExact((long) rows * cols * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * {@code theta^(−2i / rotaryDim)} with the scaling of the type.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT for a type that is not supported
     */
    static float[] inverseFrequencies(RopeParameters rope, int rotaryDim) {
        float[] out = new float[rotaryDim / 2];
        for (int i = 0; i < out.length; i++) {
            float exponent = (float) (2 * i) / rotaryDim;
            float plain = 1f / (float) StrictMath.pow(rope.theta(), exponent);
            out[i] = switch (rope.ropeType()) {
                case RopeParameters.DEFAULT -> plain;
                case RopeParameters.LINEAR -> (float) (plain / rope.factor());
                case RopeParameters.LLAMA3 -> llama3(plain, rope);
                default -> throw TrainErrors.unsupportedRope(rope.ropeType());
            };
        }
        return out;
    }

    /** Llama 3.1: long waves are slowed down by the factor, short ones stay, those between are interpolated. */
    private static float llama3(float plain, RopeParameters rope) {
        double wavelength = 2 * Math.PI / plain;
        double original = rope.originalMaxPositionEmbeddings();
        if (wavelength > original / rope.lowFreqFactor()) {
            return (float) (plain / rope.factor());
        }
        if (wavelength < original / rope.highFreqFactor()) {
            return plain;
        }
        double smooth = (original / wavelength - rope.lowFreqFactor()) / (rope.highFreqFactor() - rope.lowFreqFactor());
        return (float) ((1 - smooth) * plain / rope.factor() + smooth * plain);
    }
}
