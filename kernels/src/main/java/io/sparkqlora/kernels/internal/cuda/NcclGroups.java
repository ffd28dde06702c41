// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.DeviceGroups;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;

/** Joins a GPU to others. The library waits for the others without an end, so it does that in a thread that can be left. */
final class NcclGroups implements DeviceGroups {

    private final CudaDevice device;
    private final CudaContext context;
    private final Handles.Stream stream;

    NcclGroups(CudaDevice device, CudaContext context, Handles.Stream stream) {
        this.device = device;
        this.context = context;
        this.stream = stream;
    }

    @Override
    public String deviceId() {
        return context.uuid();
    }

    @Override
    public byte[] newId() {
        context.enter();
        return Nccl.newId();
    }

    @Override
    public DeviceGroup join(byte[] id, int rank, int size, Duration timeout, Runnable whileWaiting) {
        context.enter();
        GroupWait wait = new GroupWait(timeout, whileWaiting);
        NcclGroup group = new NcclGroup(device, context, stream, rank, size, wait);
        Memory numbers = device.allocate(Math.max(Rectangle.WIDE, 2L * size) * Float.BYTES, "joining GPUs");
        loadKernels(Tensor.of(numbers, DType.F32, 1, Rectangle.WIDE));
        CompletableFuture<Void> joining = CompletableFuture.runAsync(
                () -> {
                    context.enter();
                    group.connect(id, Tensor.of(numbers, DType.F32, 1, 2L * size));
                },
                aside());
        try {
            wait.until(joining::isDone, "joining as rank " + rank + " of " + size);
            joining.join();
            numbers.close();
            return group;
        } catch (CompletionException e) {
            group.close();
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        } catch (RuntimeException e) {
            group.close(); // the thread may be using the numbers still: the device frees them with its own
            throw e;
        }
    }

    /**
     * Has the kernels of sums loaded. The driver waits for all that runs when it loads one, for a member that is gone too, and
     * there no clock is looked at.
     */
    private void loadKernels(Tensor numbers) {
        device.ops().elementwise().add(numbers, numbers, numbers);
        Tensor one = numbers.colRange(0, 1);
        device.ops().elementwise().add(one, one, one);
    }

    private static Executor aside() {
        return task -> {
            Thread thread = new Thread(task, "qlora-join");
            thread.setDaemon(true);
            thread.start();
        };
    }
}
