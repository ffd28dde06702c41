// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import io.sparkqlora.kernels.Memory.Kind;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.List;

/**
 * A device whose memory is not real and whose operations do nothing. The real step, run on it, says what the step needs:
 * allocations are counted here, buffers by the {@link Arena}'s peak.
 */
public final class PlanningDevice implements Device {

    private static final long UNBOUNDED = Long.MAX_VALUE / 4;

    private final Operations operations = nothing(Operations.class);
    private final DeviceTraits traits;
    private long limit = Long.MAX_VALUE;
    private long allocated;
    private long peak;

    /** In place of a device that computes in the host's memory. */
    public PlanningDevice() {
        this(DeviceTraits.HOST);
    }

    /** In place of a device of such traits. */
    public PlanningDevice(DeviceTraits traits) {
        this.traits = traits;
    }

    /** An arena over memory without end, which is not counted: its own peak is what one wants to know. */
    public Arena unboundedArena() {
        return new Arena(new PlannedMemory(Kind.DEVICE, UNBOUNDED, () -> {}));
    }

    /** Such an arena in the host's memory, where that is apart from the device's. */
    public Arena unboundedHostArena() {
        return new Arena(new PlannedMemory(traits.ownsMemory() ? Kind.HOST : Kind.DEVICE, UNBOUNDED, () -> {}));
    }

    @Override
    public String name() {
        return "planning";
    }

    @Override
    public Memory allocate(long bytes, String purpose) {
        if (bytes < 0) {
            throw new IllegalArgumentException(bytes + " bytes for " + purpose);
        }
        allocated = Math.addExact(allocated, bytes);
        peak = Math.max(peak, allocated);
        return new PlannedMemory(Kind.DEVICE, bytes, () -> allocated -= bytes);
    }

    /** Bytes that are allocated now. */
    public long allocatedBytes() {
        return allocated;
    }

    @Override
    public DeviceTraits traits() {
        return traits;
    }

    @Override
    public Memory allocateHost(long bytes, String purpose) {
        return traits.ownsMemory() ? new PlannedMemory(Kind.HOST, bytes, () -> {}) : allocate(bytes, purpose);
    }

    @Override
    public PageQueue pageQueue(int slots) {
        return nothing(PageQueue.class);
    }

    @Override
    public long availableBytes() {
        return limit - allocated;
    }

    /** What is planned beyond it has less than nothing left, and is planned all the same. */
    @Override
    public void limit(long bytes) {
        limit = bytes;
    }

    @Override
    public long peakBytes() {
        return peak;
    }

    @Override
    public long peakHostBytes() {
        return 0;
    }

    /** Copies nothing. */
    @Override
    public void copyIn(ByteBuffer source, Tensor target) {}

    /** Reads nothing. */
    @Override
    public Upload upload(List<ByteSource> sources) {
        return new PlannedUpload();
    }

    /** Copies nothing; {@code target} keeps what it held. */
    @Override
    public void copyOut(Tensor source, ByteBuffer target) {}

    @Override
    public Operations ops() {
        return operations;
    }

    @Override
    public void synchronize() {}

    @Override
    public void close() {}

    /** Void methods of {@code type} do nothing, the others return operations that do nothing. */
    private static <T> T nothing(Class<T> type) {
        InvocationHandler handler = (proxy, method, arguments) -> answer(proxy, method, arguments);
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }

    private static Object answer(Object proxy, Method method, Object[] arguments) {
        return switch (method.getName()) {
            case "hashCode" -> System.identityHashCode(proxy);
            case "equals" -> proxy == arguments[0];
            case "toString" -> "planned operations";
            default -> method.getReturnType() == void.class ? null : nothing(method.getReturnType());
        };
    }

    private static final class PlannedUpload implements Upload {

        @Override
        public void next(Tensor target) {}

        @Override
        public void close() {}
    }

    private static final class PlannedMemory implements Memory {

        private final Kind kind;
        private final long bytes;
        private final Runnable onClose;
        private boolean closed;

        PlannedMemory(Kind kind, long bytes, Runnable onClose) {
            this.kind = kind;
            this.bytes = bytes;
            this.onClose = onClose;
        }

        @Override
        public Kind kind() {
            return kind;
        }

        @Override
        public long address() {
            return 0;
        }

        @Override
        public long bytes() {
            return bytes;
        }

        @Override
        public void close() {
            if (!closed) {
                closed = true;
                onClose.run();
            }
        }
    }
}
