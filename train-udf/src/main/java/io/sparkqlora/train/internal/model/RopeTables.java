// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Cosines and sines of the rotary embedding by position, as transformers computes them: angles are rounded to F32, their
 * functions not before the end. With {@code longrope} a sequence over the original context turns otherwise from its first token
 * on: such sequences have rows of their own, behind those of the others.
 *
 * @param cos F32 [rows, rotaryDim / 2]
 * @param sin F32 [rows, rotaryDim / 2]
 * @param longestShort tokens of the longest sequence that has the first rows; row {@code longestShort} is the first of longer
 *     ones
 */
public record RopeTables(Tensor cos, Tensor sin, int longestShort) {

    /** Tables for sequences of up to {@code positions} tokens, unfilled. */
    public static RopeTables take(ModelConfig config, int positions, Arena arena) {
        int half = config.traits().rotaryDim() / 2;
        int longestShort = config.rope().longestShort();
        int rows = positions > longestShort ? Math.addExact(longestShort, positions) : positions;
        return new RopeTables(arena.take(DType.F32, rows, half), arena.take(DType.F32, rows, half), longestShort);
    }

    /**
     * The row of a token.
     *
     * @param position in its sequence
     * @param length of the sequence
     */
    public int row(int position, int length) {
        return length > longestShort ? longestShort + position : position;
    }

    /** The rows of a batch's tokens. */
    int[] rows(HostBatch batch) {
        int[] rows = batch.positions().clone();
        for (int s = 0; s < batch.sequences(); s++) {
            int from = batch.starts()[s];
            int to = batch.starts()[s + 1];
            for (int token = from; token < to; token++) {
                rows[token] = row(batch.positions()[token], to - from);
            }
        }
        return rows;
    }

    /** Whether a sequence that grows to this length turns otherwise from now on, its first tokens too. */
    public boolean turnsOtherwiseAt(int length) {
        return length - 1 == longestShort;
    }

    /** Fills the tables. */
    public void fill(Device device, ModelConfig config) {
        RopeFrequencies frequencies =
                new RopeFrequencies(config.rope(), config.traits().rotaryDim());
        float factor = (float) config.rope().attentionFactor();
        long rows = cos.rows();
        if (rows <= longestShort) {
            fill(device, 0, rows, frequencies.inverse(), factor);
        } else {
            fill(device, 0, longestShort, frequencies.inverse(), factor);
            fill(device, longestShort, rows, frequencies.inverseLong(), factor);
        }
    }

    private void fill(Device device, long from, long to, float[] frequencies, float factor) {
        int positions = Math.toIntExact(to - from);
        ByteBuffer cosines = floats(positions, frequencies.length);
        ByteBuffer sines = floats(positions, frequencies.length);
        for (int position = 0; position < positions; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                cosines.putFloat((float) StrictMath.cos(angle) * factor);
                sines.putFloat((float) StrictMath.sin(angle) * factor);
            }
        }
        device.copyIn(cosines.flip(), cos.rowRange(from, to));
        device.copyIn(sines.flip(), sin.rowRange(from, to));
    }

    private static ByteBuffer floats(int rows, int cols) {
        return ByteBuffer.allocateDirect(Math.toIntExact((long) rows * cols * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
    }
}
