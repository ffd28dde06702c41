// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.internal.step.GradientPieces.Piece;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;

/**
 * Makes the gradients and losses of one rank those of all of them: among the GPUs themselves where they can be joined, through
 * the hosts' memory elsewhere.
 *
 * <p>On a device whose operations have run when they return, a thread of its own adds up a piece as soon as backward has
 * finished it, while the device goes on with the layers below. Elsewhere that would have the device wait for each copy, and a
 * recording can't be looked into: there the pieces follow when all is issued. The bits are the same.
 */
public final class GradientExchange implements AutoCloseable {

    private static final long MOST_SCRATCH = 4 << 20; // 16 MiB: messages so large that their number doesn't show
    private static final long LEAST_SCRATCH = 4 << 10; // as many ranks as there may be

    private final Device device;
    private final Tensor gradients;
    private final List<Piece> pieces;
    private final boolean overlaps;
    private final List<ByteBuffer> staging = new ArrayList<>();
    private final RankDevices ranks;
    private final RingThread thread;

    private GradientExchange(
            Device device, Tensor gradients, GradientPieces pieces, boolean overlaps, RingThread thread) {
        this.device = device;
        this.gradients = gradients;
        this.pieces = pieces.pieces();
        this.overlaps = overlaps;
        this.thread = thread;
        this.ranks = new RankDevices(device::groups);
    }

    /**
     * The exchange of a session's gradients.
     *
     * @param thread that adds up while the device goes on
     */
    public static GradientExchange of(Device device, SessionSpec spec, SessionBuffers buffers, RingThread thread) {
        GradientPieces pieces = GradientPieces.of(spec.layout(), spec.adapter());
        return new GradientExchange(
                device,
                buffers.slot().buffers().gradients(),
                pieces,
                !spec.device().ownsMemory(),
                thread);
    }

    /** The ranks' devices; closed with this. */
    RankDevices devices() {
        return ranks;
    }

    /** Whether there is something to gain by {@link OfStep#layerDone}. */
    boolean overlaps(Collective collective) {
        return overlaps && collective.worldSize() > 1;
    }

    /** Begins with a step. */
    OfStep begin(Collective collective) {
        return new OfStep(collective);
    }

    /** The exchange of a step. */
    final class OfStep {

        private final Collective collective;
        private final List<Future<?>> sums = new ArrayList<>();

        private OfStep(Collective collective) {
            this.collective = collective;
        }

        /** The gradients of a layer and all above it are final. */
        void layerDone(int layer) {
            while (sums.size() < pieces.size() && pieces.get(sums.size()).layer() >= layer) {
                ByteBuffer host = out(sums.size(), sums.size());
                sums.add(thread.submit(() -> collective.allReduceSum(host)));
            }
        }

        /**
         * All gradients are final.
         *
         * @param lossSum F64 vector, added in the order of the ranks
         * @param arena of the step
         */
        void finish(Tensor lossSum, Arena arena) {
            if (collective.worldSize() == 1) {
                return;
            }
            DeviceGroup group = overlaps ? null : ranks.of(collective);
            if (group == null) {
                throughHosts();
                addLosses(collective, lossSum);
            } else {
                // first what waits for the device and all ranks: a failure shows here, not as a GPU that is silent
                addLosses(collective, lossSum);
                long mark = arena.mark();
                group.allReduceSum(gradients, scratch(arena, gradients.size()));
                arena.release(mark);
            }
        }

        private void throughHosts() {
            if (overlaps) {
                layerDone(0);
            }
            for (int i = 0; i < pieces.size(); i++) {
                if (overlaps) {
                    RingThread.await(sums.get(i));
                    device.copyIn(buffer(i, i), view(i));
                } else {
                    ByteBuffer host = out(i, 0);
                    collective.allReduceSum(host);
                    device.copyIn(host, view(i));
                }
            }
        }
    }

    /** What GPUs need to add up so many gradients. */
    static Tensor scratch(Arena arena, long gradients) {
        return arena.take(DType.F32, 1, Math.max(LEAST_SCRATCH, Math.min(MOST_SCRATCH, gradients)));
    }

    private Tensor view(int piece) {
        return gradients.colRange(pieces.get(piece).from(), pieces.get(piece).to());
    }

    /** A piece's gradients, copied to the host. */
    private ByteBuffer out(int piece, int slot) {
        ByteBuffer host = buffer(piece, slot);
        device.copyOut(view(piece), host);
        return host;
    }

    /** Host memory for a piece: its own, or the one that pieces share which come one after another. */
    private ByteBuffer buffer(int piece, int slot) {
        if (staging.isEmpty()) {
            List<Long> sizes = overlaps
                    ? pieces.stream().map(Piece::size).toList()
                    : List.of(new GradientPieces(pieces).largest());
            sizes.forEach(size -> staging.add(ByteBuffer.allocateDirect(Math.toIntExact(size * DType.F32.bytes()))));
        }
        return staging.get(slot).slice(0, (int) (pieces.get(piece).size() * DType.F32.bytes()));
    }

    private void addLosses(Collective collective, Tensor lossSum) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(lossSum.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(lossSum, bytes);
        long[] own = new long[bytes.capacity() / Long.BYTES];
        bytes.asLongBuffer().get(own);
        double[] sums = new double[own.length];
        for (long[] rank : collective.allGather(own)) {
            for (int i = 0; i < sums.length; i++) {
                sums[i] += Double.longBitsToDouble(rank[i]);
            }
        }
        bytes.asDoubleBuffer().put(sums);
        device.copyIn(bytes, lossSum);
    }

    @Override
    public void close() {
        ranks.close();
    }
}
