// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Memory.Kind;
import io.sparkqlora.kernels.internal.cpu.HostMemory;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.IntSupplier;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** What a device has allocated, in its own memory and, pinned, in the host's. */
final class CudaAllocations {

    private static final String FIX =
            "lower per_device_train_batch_size or max_seq_length, set recompute to full or load_in_4bit to true, or use a GPU"
                    + " with more free memory (nvidia-smi)";
    private static final String HOST_FIX =
            "give the process more memory, or have less of it pinned: set offload_embedding: false, or optim: adamw_8bit";

    private final CudaContext context;
    private final String device;
    private final Set<CudaMemory> open = new LinkedHashSet<>();
    private final long[] allocated = new long[Kind.values().length];
    private final long[] peak = new long[Kind.values().length];
    private long frees;
    private long limit = Long.MAX_VALUE;

    CudaAllocations(CudaContext context, String device) {
        this.context = context;
        this.device = device;
    }

    synchronized Memory device(long bytes, String purpose) {
        checkSize(bytes, purpose);
        context.enter();
        Handles.Block block = new Handles.Block();
        int code = bytes > withinLimit()
                ? CUresult.CUDA_ERROR_OUT_OF_MEMORY
                : JCudaDriver.cuMemAlloc(block, Math.max(1, bytes));
        if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw KernelErrors.outOfMemory(device, purpose, bytes, availableBytes(), FIX);
        }
        Driver.check(code, "cuMemAlloc");
        return opened(new CudaMemory(
                Kind.DEVICE,
                block.address(),
                bytes,
                memory -> closed(memory, () -> JCudaDriver.cuMemFree(block), "cuMemFree")));
    }

    /** Allows no more than so many bytes of the device's memory at once. */
    synchronized void limit(long bytes) {
        limit = bytes;
    }

    /** Bytes of the device's memory that nobody has allocated, as far as the limit allows. */
    synchronized long availableBytes() {
        return Math.min(context.freeBytes(), withinLimit());
    }

    private long withinLimit() {
        return Math.max(0, limit - allocated[Kind.DEVICE.ordinal()]);
    }

    /** Pinned pages can't be taken back by the system, which kills a process that has too many: so ask first. */
    synchronized Memory host(long bytes, String purpose) {
        checkSize(bytes, purpose);
        context.enter();
        long free = HostMemory.ofThisMachine().availableBytes();
        Handles.HostBlock block = new Handles.HostBlock();
        int code = bytes > free
                ? CUresult.CUDA_ERROR_OUT_OF_MEMORY
                : JCudaDriver.cuMemHostAlloc(block, Math.max(1, bytes), JCudaDriver.CU_MEMHOSTALLOC_DEVICEMAP);
        if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw KernelErrors.outOfMemory("the host", purpose, bytes, free, HOST_FIX);
        }
        Driver.check(code, "cuMemHostAlloc");
        return opened(new CudaMemory(
                Kind.HOST,
                block.address(),
                bytes,
                memory -> closed(memory, () -> JCudaDriver.cuMemFreeHost(block), "cuMemFreeHost")));
    }

    private static void checkSize(long bytes, String purpose) {
        if (bytes < 0) {
            throw new IllegalArgumentException(bytes + " bytes for " + purpose);
        }
    }

    private CudaMemory opened(CudaMemory memory) {
        int kind = memory.kind().ordinal();
        open.add(memory);
        allocated[kind] += memory.bytes();
        peak[kind] = Math.max(peak[kind], allocated[kind]);
        return memory;
    }

    /** What was lost with the context needs no freeing. */
    private synchronized void closed(CudaMemory memory, IntSupplier free, String call) {
        open.remove(memory);
        allocated[memory.kind().ordinal()] -= memory.bytes();
        frees++;
        if (!context.lost()) {
            context.enter();
            Driver.check(free.getAsInt(), call);
        }
    }

    /** The most bytes at once. */
    synchronized long peakBytes(Kind kind) {
        return peak[kind.ordinal()];
    }

    /** Allocations that were closed. */
    synchronized long frees() {
        return frees;
    }

    /** What is not closed yet. */
    synchronized List<CudaMemory> open() {
        return List.copyOf(open);
    }
}
