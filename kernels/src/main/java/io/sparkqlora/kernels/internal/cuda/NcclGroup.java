// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.GatherQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntSupplier;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * GPUs that NCCL connects. Of its operations only sending and receiving are used: every member has one segment of the values
 * sent to it by all, adds them up in the order of the ranks, and sends the sums to all. That moves what an all-reduce moves,
 * and the order is a function of ranks alone, where NCCL's own follows the wires between the GPUs that a run happens to get.
 *
 * <p>A member that is gone leaves the others' kernels waiting for it on the GPU for ever, so the host doesn't wait for the
 * stream but looks at it, and ends the group where an error or the clock says so.
 */
final class NcclGroup implements DeviceGroup {

    private final CudaDevice device;
    private final CudaContext context;
    private final Handles.Stream stream;
    private final int rank;
    private final int size;
    private final GroupWait wait;
    private final List<NcclGathers> queues = new ArrayList<>();
    private volatile long handle;
    private volatile boolean left;

    NcclGroup(CudaDevice device, CudaContext context, Handles.Stream stream, int rank, int size, GroupWait wait) {
        this.device = device;
        this.context = context;
        this.stream = stream;
        this.rank = rank;
        this.size = size;
        this.wait = wait;
    }

    /**
     * Joins, and exchanges a number with everybody: connections are made when first used, by a call that waits for the other
     * side without an end, and this one can be left.
     *
     * @param numbers F32 [1, 2·size], written
     */
    void connect(byte[] id, Tensor numbers) {
        handle = Nccl.join(id, rank, size);
        scatter(numbers.colRange(0, size), new Segments(size, size), numbers.colRange(size, 2L * size));
        Driver.check(JCudaDriver.cuStreamSynchronize(stream), "joining GPUs");
        if (left) {
            abort();
        }
    }

    int rank() {
        return rank;
    }

    @Override
    public String name() {
        return Nccl.version();
    }

    @Override
    public void allReduceSum(Tensor values, Tensor scratch) {
        Checks.vector(values, DType.F32, values.size());
        Checks.vector(scratch, DType.F32, Math.max(size, scratch.size()));
        requireOpen();
        context.enter();
        try {
            Tensor row = values.reshape(1, values.size());
            long most = scratch.size() / size * size; // so that there is room for segments rounded up
            for (long from = 0; from < row.size(); from += most) {
                add(row.colRange(from, Math.min(row.size(), from + most)), scratch.reshape(1, scratch.size()));
            }
            until(() -> JCudaDriver.cuStreamQuery(stream), "adding up gradients");
        } catch (RuntimeException e) {
            abort();
            throw e;
        }
    }

    @Override
    public GatherQueue gatherQueue(int slots) {
        NcclGathers queue = new NcclGathers(this, context, stream, slots);
        queues.add(queue);
        return queue;
    }

    /**
     * Issues a gather. The one call that another thread than the device's may make, so it and the end of the group exclude
     * each other.
     *
     * @param places by rank; this one's is left alone
     */
    synchronized void gather(Tensor mine, List<Tensor> places, Handles.Stream on) {
        requireOpen();
        Nccl.together(() -> {
            for (int peer = 0; peer < size; peer++) {
                if (peer != rank) {
                    Nccl.send(mine, peer, handle, on.address());
                    Nccl.receive(places.get(peer), peer, handle, on.address());
                }
            }
        });
    }

    /**
     * Waits for something on the GPU.
     *
     * @param query gives {@code CUDA_ERROR_NOT_READY} until it is over
     */
    void until(IntSupplier query, String doing) {
        wait.until(() -> over(query, doing), doing);
    }

    private synchronized boolean over(IntSupplier query, String doing) {
        requireOpen();
        int code = query.getAsInt();
        if (code != CUresult.CUDA_ERROR_NOT_READY) {
            Driver.check(code, doing);
        }
        Nccl.checkAsync(handle, doing);
        return code == CUresult.CUDA_SUCCESS;
    }

    private void requireOpen() {
        if (handle == 0) {
            throw new IllegalStateException("the group is closed");
        }
    }

    private void add(Tensor piece, Tensor all) {
        Segments segments = new Segments(piece.size(), size);
        scatter(piece, segments, all);
        Tensor mine = piece.colRange(segments.from(rank), segments.to(rank));
        long length = mine.size();
        if (length > 0) {
            device.ops().elementwise().add(all.colRange(0, length), all.colRange(length, 2 * length), mine);
            for (int peer = 2; peer < size; peer++) {
                Tensor theirs = all.colRange(peer * length, (peer + 1) * length);
                device.ops().elementwise().add(mine, theirs, mine);
            }
        }
        gather(piece, segments);
    }

    /** Has this rank's segment of every member's values, by rank, in {@code all}. */
    private void scatter(Tensor piece, Segments segments, Tensor all) {
        long length = segments.length(rank);
        Nccl.together(() -> {
            for (int peer = 0; peer < size; peer++) {
                send(piece.colRange(segments.from(peer), segments.to(peer)), peer);
                receive(all.colRange(peer * length, (peer + 1) * length), peer);
            }
        });
    }

    private void gather(Tensor piece, Segments segments) {
        Tensor mine = piece.colRange(segments.from(rank), segments.to(rank));
        Nccl.together(() -> {
            for (int peer = 0; peer < size; peer++) {
                if (peer != rank) {
                    send(mine, peer);
                    receive(piece.colRange(segments.from(peer), segments.to(peer)), peer);
                }
            }
        });
    }

    private void send(Tensor values, int peer) {
        Nccl.send(values, peer, handle, stream.address());
    }

    private void receive(Tensor values, int peer) {
        Nccl.receive(values, peer, handle, stream.address());
    }

    /** Ends the group, not its queues: somebody may be about to have the operations wait for one. */
    synchronized void abort() {
        left = true;
        if (handle != 0) {
            Nccl.abort(handle);
            handle = 0;
        }
    }

    /** May be called while another thread is joining: that one leaves then. */
    @Override
    public void close() {
        abort();
        queues.forEach(NcclGathers::close);
        queues.clear();
    }

    /**
     * Values cut into as many segments as there are members, the first ones one longer where they don't come out even.
     *
     * @param count values
     * @param size members
     */
    private record Segments(long count, int size) {

        long from(int peer) {
            return count / size * peer + Math.min(peer, count % size);
        }

        long to(int peer) {
            return from(peer + 1);
        }

        long length(int peer) {
            return to(peer) - from(peer);
        }
    }
}
