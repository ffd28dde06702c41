// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Attention.Sequences;
import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Profile;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.Upload;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Host memory whose operations run on a GPU: before each operation what its tensors lie in is copied to the GPU, whole, and
 * back afterwards. So one test, written for host memory, gaps and poison included, checks both backends.
 */
final class MirrorDevice implements Device {

    private static Device gpu;
    private static QLoraException missing;

    private final CpuDevice host = new CpuDevice();
    private final Map<Memory, Memory> shadows = new IdentityHashMap<>();
    private final Operations operations = mirror(Operations.class, gpu.ops());

    /** Whether there is such a GPU; it is opened once a process. */
    static synchronized boolean available(String backend) {
        if (gpu == null && missing == null) {
            try {
                gpu = Devices.open(backend);
                System.err.println("operations are tested on " + gpu.name());
                if (Boolean.getBoolean("qlora.test.kernels")) {
                    gpu.startProfile();
                    Runtime.getRuntime().addShutdownHook(new Thread(MirrorDevice::tellKernels));
                }
            } catch (QLoraException e) {
                missing = e;
            }
        }
        return gpu != null;
    }

    /** With {@code -Dqlora.test.kernels=true}: which kernels the tests have run, so that none is thought to be tested that is not. */
    private static synchronized void tellKernels() {
        gpu.stopProfile().kernels().stream()
                .map(Profile.Kernel::name)
                .distinct()
                .sorted()
                .forEach(name -> System.err.println("KERNEL " + name));
    }

    static synchronized String reason() {
        return missing.getMessage();
    }

    private <T> T mirror(Class<T> type, Object target) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (proxy, method, arguments) -> call(target, method, arguments)));
    }

    private Object call(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            if (method.isDefault()) {
                method.setAccessible(true);
            }
            if (method.getReturnType() != void.class) {
                method.setAccessible(true);
                return mirror(method.getReturnType(), method.invoke(target));
            }
            Object[] mapped = new Object[arguments.length];
            for (int i = 0; i < mapped.length; i++) {
                mapped[i] = map(arguments[i]);
            }
            shadows.forEach((from, to) -> copy(from, to, true));
            method.setAccessible(true);
            method.invoke(target, mapped);
            shadows.forEach((from, to) -> copy(from, to, false));
            return null;
        } catch (InvocationTargetException e) {
            throw e.getCause();
        } finally {
            shadows.values().forEach(Memory::close);
            shadows.clear();
        }
    }

    private static void copy(Memory memory, Memory shadow, boolean in) {
        byte[] bytes = new byte[Math.toIntExact(memory.bytes())];
        Tensor all = Tensor.of(shadow, DType.U8, 1, bytes.length);
        if (in) {
            Native.load(memory.address(), bytes, 0, bytes.length);
            gpu.copyIn(ByteBuffer.wrap(bytes), all);
        } else {
            gpu.copyOut(all, ByteBuffer.wrap(bytes));
            Native.store(bytes, 0, bytes.length, memory.address());
        }
    }

    private Object map(Object argument) {
        if (argument instanceof Tensor tensor) {
            return map(tensor);
        }
        if (argument instanceof QuantizedMatrix m) {
            return new QuantizedMatrix(
                    m.format(),
                    m.rows(),
                    m.cols(),
                    map(m.packed()),
                    map(m.absmax()),
                    map(m.nestedAbsmax()),
                    map(m.nestedOffset()));
        }
        if (argument instanceof Int8Matrix m) {
            return new Int8Matrix(map(m.codes()), map(m.absmax()));
        }
        if (argument instanceof Int8Input i) {
            return new Int8Input(map(i.codes()), map(i.absmax()), map(i.columns()));
        }
        if (argument instanceof Moment m) {
            return new Moment(map(m.codes()), map(m.absmax()));
        }
        if (argument instanceof Sequences s) {
            return new Sequences(s.queryStarts(), s.keyStarts(), ints(s.queryStarts()), ints(s.keyStarts()));
        }
        if (argument instanceof List<?> list) {
            return list.stream().map(this::map).toList();
        }
        if (argument instanceof DroppedLora.Masks m) {
            return new DroppedLora.Masks(m.p(), m.seed(), map(m.streamBase()), m.streams());
        }
        if (argument instanceof LoraLinear.Update u) {
            return new LoraLinear.Update(u.from(), map(u.b()), map(u.gradB()));
        }
        if (argument instanceof TensorStack stack) {
            return map(stack);
        }
        return argument;
    }

    private TensorStack map(TensorStack stack) {
        return new TensorStack(map(stack.first()), stack.count(), stack.distance());
    }

    private Tensor map(Tensor tensor) {
        if (tensor == null) {
            return null;
        }
        Memory shadow = shadows.computeIfAbsent(tensor.memory(), memory -> gpu.allocate(memory.bytes(), "a test"));
        return new Tensor(
                shadow, tensor.byteOffset(), tensor.dtype(), tensor.rows(), tensor.cols(), tensor.rowStride());
    }

    private Tensor ints(int[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
        bytes.asIntBuffer().put(values);
        Memory memory = host.allocate(bytes.capacity(), "a test");
        Tensor tensor = Tensor.of(memory, DType.I32, 1, values.length);
        host.copyIn(bytes, tensor);
        return map(tensor);
    }

    @Override
    public String name() {
        return "mirror of " + gpu.name();
    }

    @Override
    public Memory allocate(long bytes, String purpose) {
        return host.allocate(bytes, purpose);
    }

    @Override
    public DeviceTraits traits() {
        return gpu.traits();
    }

    @Override
    public Memory allocateHost(long bytes, String purpose) {
        return host.allocateHost(bytes, purpose);
    }

    @Override
    public PageQueue pageQueue(int slots) {
        return host.pageQueue(slots);
    }

    @Override
    public long peakHostBytes() {
        return host.peakHostBytes();
    }

    @Override
    public long availableBytes() {
        return host.availableBytes();
    }

    @Override
    public void limit(long bytes) {
        host.limit(bytes);
    }

    @Override
    public long peakBytes() {
        return host.peakBytes();
    }

    @Override
    public void copyIn(ByteBuffer source, Tensor target) {
        host.copyIn(source, target);
    }

    @Override
    public Upload upload(List<ByteSource> sources) {
        return host.upload(sources);
    }

    @Override
    public void copyOut(Tensor source, ByteBuffer target) {
        host.copyOut(source, target);
    }

    @Override
    public Operations ops() {
        return operations;
    }

    @Override
    public void synchronize() {
        gpu.synchronize();
    }

    @Override
    public void close() {
        host.close();
    }
}
