// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
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
            Nccl.abort(handle);
            handle = 0;
        }
    }

    @Override
    public String name() {
        return Nccl.version();
    }

    @Override
    public void allReduceSum(Tensor values, Tensor scratch) {
        Checks.vector(values, DType.F32, values.size());
        Checks.vector(scratch, DType.F32, Math.max(size, scratch.size()));
        if (handle == 0) {
            throw new IllegalStateException("the group is closed");
        }
        context.enter();
        try {
            Tensor row = values.reshape(1, values.size());
            long most = scratch.size() / size * size; // so that there is room for segments rounded up
            for (long from = 0; from < row.size(); from += most) {
                add(row.colRange(from, Math.min(row.size(), from + most)), scratch.reshape(1, scratch.size()));
            }
            wait.until(this::done, "adding up gradients");
        } catch (RuntimeException e) {
            close();
            throw e;
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
        Nccl.send(values.address(), values.size(), peer, handle, stream.address());
    }

    private void receive(Tensor values, int peer) {
        Nccl.receive(values.address(), values.size(), peer, handle, stream.address());
    }

    private boolean done() {
        int code = JCudaDriver.cuStreamQuery(stream);
        if (code != CUresult.CUDA_ERROR_NOT_READY) {
            Driver.check(code, "adding up gradients");
        }
        Nccl.checkAsync(handle);
        return code == CUresult.CUDA_SUCCESS;
    }

    /** May be called while another thread is joining: that one leaves then. */
    @Override
    public void close() {
        left = true;
        if (handle != 0) {
            Nccl.abort(handle);
            handle = 0;
        }
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
