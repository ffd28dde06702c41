// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.GatherQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * Gathers on a stream of their own; two events a slot hold it and that of the operations together, each way. The stream has
 * the highest priority: products fill all multiprocessors, and the few blocks of a gather are to get theirs when one ends.
 */
final class NcclGathers implements GatherQueue {

    private static final String DOING = "gathering a layer";

    private final NcclGroup group;
    private final CudaContext context;
    private final Handles.Stream operations;
    private final Handles.Stream stream = new Handles.Stream();
    private final Slot[] slots;
    private boolean closed;

    /** {@code released} is recorded among the operations, {@code arrived} among the gathers. */
    private record Slot(CUevent released, CUevent arrived) {}

    NcclGathers(NcclGroup group, CudaContext context, Handles.Stream operations, int count) {
        this.group = group;
        this.context = context;
        this.operations = operations;
        context.enter();
        int[] highest = new int[1];
        Driver.check(JCudaDriver.cuCtxGetStreamPriorityRange(new int[1], highest), "cuCtxGetStreamPriorityRange");
        Driver.check(
                JCudaDriver.cuStreamCreateWithPriority(stream, CUstream_flags.CU_STREAM_NON_BLOCKING, highest[0]),
                "cuStreamCreateWithPriority");
        slots = new Slot[count];
        for (int i = 0; i < count; i++) {
            slots[i] = new Slot(event(), event());
        }
    }

    private static CUevent event() {
        CUevent event = new CUevent();
        Driver.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "cuEventCreate");
        return event;
    }

    @Override
    public void release(int slot) {
        context.enter();
        Driver.check(JCudaDriver.cuEventRecord(slots[slot].released, operations), "cuEventRecord");
    }

    @Override
    public synchronized void begin(int slot, Tensor mine, List<Tensor> places) {
        if (closed) {
            throw new IllegalStateException("the group is closed");
        }
        places.forEach(place -> Checks.vector(place, DType.U8, mine.size()));
        context.enter();
        Driver.check(JCudaDriver.cuStreamWaitEvent(stream, slots[slot].released, 0), "cuStreamWaitEvent");
        Driver.check(
                JCudaDriver.cuMemcpyDtoDAsync(
                        Handles.at(places.get(group.rank()).address()),
                        Handles.at(mine.address()),
                        mine.bytes(),
                        stream),
                DOING);
        group.gather(mine, places, stream);
        Driver.check(JCudaDriver.cuEventRecord(slots[slot].arrived, stream), "cuEventRecord");
    }

    @Override
    public void await(int slot) {
        context.enter();
        Driver.check(JCudaDriver.cuStreamWaitEvent(operations, slots[slot].arrived, 0), "cuStreamWaitEvent");
    }

    /** Without this somebody else's end would be a kernel of ours that never ends, and a host that waits for it. */
    @Override
    public void finish(int slot) {
        context.enter();
        try {
            group.until(() -> JCudaDriver.cuEventQuery(slots[slot].arrived), DOING);
        } catch (RuntimeException e) {
            group.abort();
            throw e;
        }
    }

    /** After the group's end, by which all that was under way has ended. The other thread may be on its way to a gather. */
    synchronized void close() {
        closed = true;
        if (context.lost()) {
            return; // its streams and events went along
        }
        context.enter();
        Driver.check(JCudaDriver.cuStreamDestroy(stream), "cuStreamDestroy");
        for (Slot slot : slots) {
            Driver.check(JCudaDriver.cuEventDestroy(slot.released), "cuEventDestroy");
            Driver.check(JCudaDriver.cuEventDestroy(slot.arrived), "cuEventDestroy");
        }
    }
}
