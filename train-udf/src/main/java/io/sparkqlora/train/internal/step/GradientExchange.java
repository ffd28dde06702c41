// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Makes the gradients and losses of one rank those of all of them. They pass through the host's memory, a piece at a time; the
 * pieces are a function of the adapter's size alone, and so are the orders of the sums.
 */
public final class GradientExchange {

    /** Large enough that the ring's hops don't wait for each other's latency, small beside everything else. */
    private static final long PIECE = 4L << 20;

    private ByteBuffer staging;

    /**
     * Adds up.
     *
     * @param gradients F32 [1, n]
     * @param lossSum F64 [1], added in the order of the ranks
     */
    void run(Device device, Collective collective, Tensor gradients, Tensor lossSum) {
        if (collective.worldSize() == 1) {
            return;
        }
        for (long from = 0; from < gradients.cols(); from += PIECE) {
            Tensor piece = gradients.colRange(from, Math.min(gradients.cols(), from + PIECE));
            ByteBuffer host = staging(gradients).slice(0, (int) piece.bytes());
            device.copyOut(piece, host);
            collective.allReduceSum(host);
            device.copyIn(host, piece);
        }
        addLosses(device, collective, lossSum);
    }

    private ByteBuffer staging(Tensor gradients) {
        if (staging == null) {
            staging = ByteBuffer.allocateDirect((int) (Math.min(PIECE, gradients.cols()) * DType.F32.bytes()));
        }
        return staging;
    }

    private static void addLosses(Device device, Collective collective, Tensor lossSum) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(lossSum, bytes);
        double sum = 0;
        for (long[] rank : collective.allGather(Double.doubleToRawLongBits(bytes.getDouble(0)))) {
            sum += Double.longBitsToDouble(rank[0]);
        }
        device.copyIn(bytes.putDouble(0, sum), lossSum);
    }
}
