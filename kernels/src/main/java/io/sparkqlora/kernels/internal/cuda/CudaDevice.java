// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceGroups;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Memory.Kind;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Profile;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Recording;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.Upload;
import io.sparkqlora.kernels.internal.Checks;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;

/**
 * An NVIDIA GPU of compute capability 8.0 or later, driven through libcuda alone. Operations are issued to one stream and run
 * asynchronously. After a fault of a kernel (an access outside its memory, say) the context is lost: every later call but
 * {@link #close} fails with the first error, and the process should end; its exit code is that of {@code Kind.DEVICE}.
 */
public final class CudaDevice implements Device {

    private static final String NAME = "cuda";

    private final CudaContext context;
    private final Handles.Stream stream = new Handles.Stream();
    private final Staging staging;
    private final Launcher launcher;
    private final Workspace workspace;
    private final CudaOperations operations;
    private final CudaAllocations allocations;
    private final Set<PageQueue> queues = new LinkedHashSet<>();
    private CudaProfiler profiler;
    private boolean closed;

    private CudaDevice(int ordinal) {
        context = new CudaContext(ordinal);
        context.enter();
        allocations = new CudaAllocations(context, name());
        Driver.check(JCudaDriver.cuStreamCreate(stream, CUstream_flags.CU_STREAM_NON_BLOCKING), "cuStreamCreate");
        staging = new Staging(stream);
        launcher = new Launcher(context, stream.address());
        workspace = new Workspace(this);
        operations = CudaOperations.on(this, context, stream, launcher, workspace);
    }

    /**
     * Opens a GPU.
     *
     * @param backend {@code cuda} for the first one, {@code cuda:1} for the second, as the driver counts them
     */
    public static CudaDevice open(String backend) {
        int ordinal = ordinal(backend);
        if (!CudaKernel.Library.built()) {
            throw KernelErrors.noCuda(backend);
        }
        return new CudaDevice(ordinal);
    }

    private static int ordinal(String backend) {
        if (backend.equals(NAME)) {
            return 0;
        }
        try {
            return Integer.parseUnsignedInt(backend.substring(NAME.length() + 1));
        } catch (NumberFormatException e) {
            throw KernelErrors.unknownBackend(backend);
        }
    }

    @Override
    public String name() {
        return NAME + ":" + context.ordinal() + " (" + context.name() + ")";
    }

    @Override
    public Memory allocate(long bytes, String purpose) {
        return allocations.device(bytes, purpose);
    }

    @Override
    public DeviceTraits traits() {
        return new CudaTraits(CudaOperations.hopper(context));
    }

    /** Has the tables, and the work space so large from now on, rather than when an operation finds it too small. */
    @Override
    public void reserve(long workspaceBytes) {
        operations.prepare();
        workspace.atLeast(workspaceBytes - CudaOperations.TABLE_BYTES);
    }

    @Override
    public Memory allocateHost(long bytes, String purpose) {
        return allocations.host(bytes, purpose);
    }

    @Override
    public PageQueue pageQueue(int slots) {
        PageQueue queue = new CudaPageQueue(context, stream, slots);
        queues.add(queue);
        return queue;
    }

    @Override
    public long availableBytes() {
        return allocations.availableBytes();
    }

    @Override
    public void limit(long bytes) {
        allocations.limit(bytes);
    }

    @Override
    public long peakBytes() {
        return allocations.peakBytes(Kind.DEVICE);
    }

    @Override
    public long peakHostBytes() {
        return allocations.peakBytes(Kind.HOST);
    }

    @Override
    public void copyIn(ByteBuffer source, Tensor target) {
        Checks.sameBytes(source, target);
        context.enter();
        staging.in(source, target.address());
    }

    @Override
    public Upload upload(List<ByteSource> sources) {
        context.enter();
        return new CudaUpload(stream, sources);
    }

    @Override
    public void copyOut(Tensor source, ByteBuffer target) {
        Checks.sameBytes(target, source);
        context.enter();
        if (target.hasRemaining()) {
            staging.out(source.address(), target);
        }
    }

    @Override
    public Operations ops() {
        return operations;
    }

    @Override
    public Recording record(Runnable recorded) {
        boolean enabled = Boolean.parseBoolean(System.getProperty(CudaGraph.ENABLED, "true"));
        return enabled && profiler == null
                ? new CudaGraph(context, stream, recorded, () -> profiler != null, allocations::frees)
                : Device.super.record(recorded);
    }

    @Override
    public Optional<DeviceGroups> groups() {
        return Nccl.available() ? Optional.of(new NcclGroups(this, context, stream)) : Optional.empty();
    }

    @Override
    public void startProfile() {
        if (profiler != null) {
            throw new IllegalStateException("a profile of " + name() + " is being taken already");
        }
        context.enter();
        profiler = new CudaProfiler(stream);
        launcher.profile(profiler);
    }

    @Override
    public Profile stopProfile() {
        if (profiler == null) {
            throw new IllegalStateException("no profile of " + name() + " is being taken");
        }
        context.enter();
        launcher.profile(null);
        try (CudaProfiler taken = profiler) {
            profiler = null;
            return taken.profile(name());
        }
    }

    @Override
    public void synchronize() {
        context.enter();
        Driver.check(JCudaDriver.cuStreamSynchronize(stream), "running kernels");
    }

    /**
     * Frees everything; the first failure is what it throws. After a fault that an earlier call has told of it throws nothing:
     * what was lost with the context needs no freeing.
     */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        RuntimeException first = null;
        if (profiler != null) {
            first = attempt(profiler::close, first);
        }
        for (PageQueue queue : queues) {
            first = attempt(queue::close, first);
        }
        for (CudaMemory memory : allocations.open()) {
            first = attempt(memory::close, first);
        }
        first = attempt(staging::close, first);
        first = attempt(() -> Driver.check(JCudaDriver.cuStreamDestroy(stream), "cuStreamDestroy"), first);
        try {
            context.close();
        } catch (QLoraException e) {
            first = first == null ? e : first;
        }
        if (first != null) {
            throw first;
        }
    }

    private RuntimeException attempt(Runnable step, RuntimeException first) {
        if (context.lost()) {
            return first;
        }
        try {
            context.enter();
            step.run();
            return first;
        } catch (RuntimeException e) {
            return first == null ? e : first;
        }
    }
}
