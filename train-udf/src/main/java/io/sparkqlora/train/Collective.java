// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.collective.SoloCollective;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;

/**
 * What the ranks of a data-parallel run do together. Every rank makes the same calls in the same order; each returns when
 * this rank has what it needs. For one thread at a time.
 *
 * <p>When a rank fails, all others learn why at their current or next call: the exception that they get is the first failure,
 * not what followed from it. After an exception no further call succeeds.
 */
public interface Collective extends AutoCloseable {

    /** The only rank of a world of one: every call gives back what went in. */
    static Collective solo() {
        return SoloCollective.INSTANCE;
    }

    /** This rank, from 0. */
    int rank();

    /** How many ranks there are. */
    int worldSize();

    /** How long a rank may be silent before the others give it up. */
    Duration timeout();

    /**
     * What every wait does now and then; for waits for ranks that are not a collective's own.
     *
     * @throws io.sparkqlora.kernels.QLoraException RANK_LOST, or whatever else, if this rank is to stop
     */
    void check();

    /**
     * Says which optimizer step the next calls belong to, for errors, and so that ranks at different steps are found out.
     *
     * @param step from 1
     */
    void begin(long step);

    /**
     * Replaces values by their sums over all ranks. The order of each sum is a function of the number of values and of ranks
     * alone, and every rank gets the same bits.
     *
     * @param values direct, F32 in little-endian order, position to limit (which stay); as many on every rank
     * @throws io.sparkqlora.kernels.QLoraException RANK_LOST if a rank is gone or silent, or what another rank failed with
     */
    void allReduceSum(ByteBuffer values);

    /**
     * Everybody's bytes, by rank.
     *
     * @param mine at most a mebibyte; ranks may have different lengths
     * @throws io.sparkqlora.kernels.QLoraException as {@link #allReduceSum}
     */
    byte[][] allGather(byte[] mine);

    /**
     * Everybody's bytes, in place and as long as they may be: the way for a layer's weights.
     *
     * @param parts direct buffers of one length (position to limit, which stay), one a rank; this rank's is read, the others are
     *     written
     * @throws io.sparkqlora.kernels.QLoraException as {@link #allReduceSum}
     */
    void allGatherInto(ByteBuffer[] parts);

    /** Everybody's numbers, by rank. */
    default long[][] allGather(long... mine) {
        ByteBuffer bytes = ByteBuffer.allocate(mine.length * Long.BYTES);
        bytes.asLongBuffer().put(mine);
        return Arrays.stream(allGather(bytes.array())).map(Collective::longs).toArray(long[][]::new);
    }

    private static long[] longs(byte[] bytes) {
        LongBuffer buffer = ByteBuffer.wrap(bytes).asLongBuffer();
        long[] values = new long[buffer.remaining()];
        buffer.get(values);
        return values;
    }

    /** Everybody's text, by rank. */
    default String[] allGather(String mine) {
        return Arrays.stream(allGather(mine.getBytes(StandardCharsets.UTF_8)))
                .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
                .toArray(String[]::new);
    }

    /**
     * Tells the others why this rank can't go on; harmless after a failure of the collective itself. The one call that another
     * thread may make meanwhile.
     */
    void abort(Throwable cause);

    /** Leaves. Every rank does after the last call; it waits a few seconds at most for its neighbours to have read everything. */
    @Override
    void close();
}
