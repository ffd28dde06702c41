// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/** Two streams beside that of the operations, since the bus carries both ways at once; events hold the three together. */
final class CudaPageQueue implements PageQueue {

    private final CudaContext context;
    private final CUstream operations;
    private final CUstream incoming = new CUstream();
    private final CUstream outgoing = new CUstream();
    private final CUevent issued = new CUevent();
    private final Slot[] slots;
    private boolean closed;

    /** The events of a slot; what was put out is waited for until {@link #finish} has. */
    private static final class Slot {
        final CUevent arrived = new CUevent();
        final CUevent left = new CUevent();
        boolean coming;
        boolean leaving;
    }

    CudaPageQueue(CudaContext context, CUstream operations, int count) {
        this.context = context;
        this.operations = operations;
        context.enter();
        for (CUstream stream : new CUstream[] {incoming, outgoing}) {
            Driver.check(JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING), "cuStreamCreate");
        }
        create(issued);
        slots = new Slot[count];
        for (int i = 0; i < count; i++) {
            slots[i] = new Slot();
            create(slots[i].arrived);
            create(slots[i].left);
        }
    }

    private static void create(CUevent event) {
        Driver.check(JCudaDriver.cuEventCreate(event, CUevent_flags.CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    }

    @Override
    public void in(int slot, List<Tensor> host, List<Tensor> device) {
        Slot s = slots[slot];
        after(operations, issued, incoming);
        if (s.leaving) {
            wait(incoming, s.left);
        }
        copy(host, device, incoming);
        record(s.arrived, incoming);
        s.coming = true;
    }

    @Override
    public void await(int slot) {
        context.enter();
        if (slots[slot].coming) {
            wait(operations, slots[slot].arrived);
            slots[slot].coming = false;
        }
    }

    @Override
    public void out(int slot, List<Tensor> device, List<Tensor> host) {
        after(operations, issued, outgoing);
        copy(device, host, outgoing);
        record(slots[slot].left, outgoing);
        slots[slot].leaving = true;
    }

    @Override
    public void finish() {
        for (int i = 0; i < slots.length; i++) {
            await(i);
            if (slots[i].leaving) {
                wait(operations, slots[i].left);
                slots[i].leaving = false;
            }
        }
    }

    /** {@code second} goes on when {@code first} is where it is now. */
    private void after(CUstream first, CUevent event, CUstream second) {
        context.enter();
        record(event, first);
        wait(second, event);
    }

    private static void record(CUevent event, CUstream stream) {
        Driver.check(JCudaDriver.cuEventRecord(event, stream), "cuEventRecord");
    }

    private static void wait(CUstream stream, CUevent event) {
        Driver.check(JCudaDriver.cuStreamWaitEvent(stream, event, 0), "cuStreamWaitEvent");
    }

    private static void copy(List<Tensor> from, List<Tensor> to, CUstream stream) {
        for (int i = 0; i < from.size(); i++) {
            Checks.contiguous(from.get(i));
            Checks.vector(to.get(i), from.get(i).dtype(), from.get(i).size());
            Driver.check(
                    JCudaDriver.cuMemcpyAsync(
                            Handles.at(to.get(i).address()),
                            Handles.at(from.get(i).address()),
                            from.get(i).bytes(),
                            stream),
                    "copying a page");
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (context.lost()) {
            return; // its streams and events went along
        }
        context.enter();
        for (CUstream stream : new CUstream[] {incoming, outgoing}) {
            Driver.check(JCudaDriver.cuStreamSynchronize(stream), "copying pages");
            Driver.check(JCudaDriver.cuStreamDestroy(stream), "cuStreamDestroy");
        }
        Driver.check(JCudaDriver.cuEventDestroy(issued), "cuEventDestroy");
        for (Slot slot : slots) {
            Driver.check(JCudaDriver.cuEventDestroy(slot.arrived), "cuEventDestroy");
            Driver.check(JCudaDriver.cuEventDestroy(slot.left), "cuEventDestroy");
        }
    }
}
