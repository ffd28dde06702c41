// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.Upload;
import io.sparkqlora.kernels.internal.Checks;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** This machine's processors. Operations have run when their call returns. */
public final class CpuDevice implements Device {

    static final String FIX =
            "lower per_device_train_batch_size or max_seq_length, set recompute to full, or give the process more memory";

    private final Workers workers = Workers.ofThisMachine();
    private final HostMemory host = HostMemory.ofThisMachine();
    private final Products products = new Products();
    private final CpuOperations operations = CpuOperations.on(workers, products);
    private final Set<CpuMemory> open = new LinkedHashSet<>();
    private long allocated;
    private long peak;
    private long freeBefore;
    private long limit = Long.MAX_VALUE;

    @Override
    public String name() {
        return "cpu (" + workers.threads() + (workers.threads() == 1 ? " thread, " : " threads, ")
                + OneDnn.instructions() + ")";
    }

    @Override
    public synchronized Memory allocate(long bytes, String purpose) {
        if (bytes < 0) {
            throw new IllegalArgumentException(bytes + " bytes for " + purpose);
        }
        long free = availableBytes();
        long block = bytes > free ? 0 : Native.allocate(bytes + CpuMemory.ALIGNMENT);
        if (block == 0) {
            throw KernelErrors.outOfMemory("cpu", purpose, bytes, free, FIX);
        }
        CpuMemory memory = new CpuMemory(block, bytes, this::forget);
        open.add(memory);
        allocated += bytes;
        peak = Math.max(peak, allocated);
        return memory;
    }

    @Override
    public DeviceTraits traits() {
        return DeviceTraits.HOST;
    }

    @Override
    public Memory allocateHost(long bytes, String purpose) {
        return allocate(bytes, purpose);
    }

    @Override
    public PageQueue pageQueue(int slots) {
        return new CpuPageQueue();
    }

    private synchronized void forget(CpuMemory memory) {
        open.remove(memory);
        allocated -= memory.bytes();
    }

    /** Linux hands out pages when they are first written, so what was allocated and not yet written is taken off too. */
    @Override
    public synchronized long availableBytes() {
        long now = host.availableBytes();
        if (allocated == 0) {
            freeBefore = now;
        }
        return Math.max(0, Math.min(Math.min(now, freeBefore - allocated), limit - allocated));
    }

    @Override
    public synchronized void limit(long bytes) {
        limit = bytes;
    }

    @Override
    public synchronized long peakBytes() {
        return peak;
    }

    @Override
    public long peakHostBytes() {
        return 0;
    }

    @Override
    public void copyIn(ByteBuffer source, Tensor target) {
        Checks.sameBytes(source, target);
        HostCopy.in(source, target.address());
    }

    @Override
    public Upload upload(List<ByteSource> sources) {
        return new CpuUpload(sources);
    }

    @Override
    public void copyOut(Tensor source, ByteBuffer target) {
        Checks.sameBytes(target, source);
        HostCopy.out(source.address(), target);
    }

    @Override
    public Optional<ByteBuffer> hostView(Tensor tensor) {
        if (!tensor.contiguous()) {
            throw new IllegalArgumentException("a view of " + tensor + ": its rows have gaps between them");
        }
        return Optional.of(HostCopy.view(tensor.address(), tensor.bytes()));
    }

    @Override
    public Operations ops() {
        return operations;
    }

    /** Returns at once: operations have run when their call returns. */
    @Override
    public void synchronize() {}

    @Override
    public synchronized void close() {
        List.copyOf(open).forEach(CpuMemory::close);
        products.close();
        workers.close();
    }
}
