// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.function.IntSupplier;

/**
 * Launches kernels on one stream. Arguments are written to one piece of native memory, laid out as C lays them out; the driver
 * copies them before a launch returns, so the next one writes over them and a launch makes no garbage.
 *
 * <p>{@code launcher.of(kernel).matrix(x).number(rows).over(blocks, 1, 1, 256)}
 */
final class Launcher {

    private static final int ARGUMENTS = 64;
    private static final int BYTES = 1 << 13;
    private static final int ALIGNMENT = 64; // of tensor maps
    private static final int SHAPE = 3;

    private final CudaContext context;
    private final long stream;
    private final ByteBuffer memory;
    private final long base;
    private CudaKernel kernel;
    private int arguments;
    private int at;
    private boolean inStructure;
    private CudaProfiler profiler;
    private double flops;
    private double bytes;
    private final long[] shape = new long[SHAPE];

    Launcher(CudaContext context, long stream) {
        this.context = context;
        this.stream = stream;
        ByteBuffer whole = ByteBuffer.allocateDirect(BYTES + ALIGNMENT);
        int skip = (int) (-Pointer.nativeValue(Native.getDirectBufferPointer(whole)) & (ALIGNMENT - 1));
        memory = whole.position(skip).slice().order(ByteOrder.nativeOrder());
        base = Pointer.nativeValue(Native.getDirectBufferPointer(memory));
    }

    /** Begins the launch of {@code kernel}; its arguments follow in order, then {@link #over}. */
    Launcher of(CudaKernel next) {
        kernel = next;
        arguments = 0;
        at = ARGUMENTS * Long.BYTES;
        inStructure = false;
        work(0, 0, 0, 0, 0);
        return this;
    }

    /** From now on launches are timed, until it is null. */
    void profile(CudaProfiler next) {
        profiler = next;
    }

    /**
     * What the launch costs, for a profile: operations, and bytes that device memory moves at the least, each input read and
     * each output written once. The numbers after those tell shapes apart; 0 for none.
     */
    Launcher work(double operations, double traffic, long m, long n, long k) {
        flops = operations;
        bytes = traffic;
        shape[0] = m;
        shape[1] = n;
        shape[2] = k;
        return this;
    }

    /** The {@link #work} of a launch that reads or writes each of these once; nulls don't count. */
    Launcher moves(Tensor... tensors) {
        double traffic = 0;
        for (Tensor tensor : tensors) {
            traffic += tensor == null ? 0 : tensor.bytes();
        }
        return work(0, traffic, tensors[0].rows(), tensors[0].cols(), 0);
    }

    /** Issues a copy or a fill of the driver's own; its cost is what {@link #of} or {@link #work} said last. */
    void driver(String name, IntSupplier call) {
        context.enter();
        if (profiler != null) {
            profiler.begin();
        }
        Driver.check(call.getAsInt(), name);
        if (profiler != null) {
            profiler.end(name, shape, flops, bytes);
        }
    }

    /** Reserves an argument, or a field of a structure. */
    private int place(int bytes, int alignment) {
        at = (at + alignment - 1) / alignment * alignment;
        if (!inStructure) {
            memory.putLong(arguments++ * Long.BYTES, base + at);
        }
        int place = at;
        at += bytes;
        return place;
    }

    /** What follows, up to {@link #end}, are the fields of one argument. */
    Launcher structure() {
        place(0, ALIGNMENT);
        inStructure = true;
        return this;
    }

    Launcher end() {
        inStructure = false;
        return this;
    }

    Launcher number(int value) {
        memory.putInt(place(Integer.BYTES, Integer.BYTES), value);
        return this;
    }

    Launcher number(long value) {
        memory.putLong(place(Long.BYTES, Long.BYTES), value);
        return this;
    }

    Launcher number(float value) {
        memory.putFloat(place(Float.BYTES, Float.BYTES), value);
        return this;
    }

    Launcher flag(boolean value) {
        return number(value ? 1 : 0);
    }

    /** A pointer. */
    Launcher address(long address) {
        return number(address);
    }

    /** A pointer to the tensor's first element. */
    Launcher address(Tensor tensor) {
        return number(tensor.address());
    }

    /** The kernels' {@code Matrix}; null is one without data. */
    Launcher matrix(Tensor tensor) {
        int place = place(2 * Long.BYTES + 2 * Integer.BYTES, Long.BYTES);
        memory.putLong(place, tensor == null ? 0 : tensor.address());
        memory.putLong(place + Long.BYTES, tensor == null ? 0 : tensor.rowStride());
        memory.putInt(place + 2 * Long.BYTES, tensor == null ? 0 : type(tensor.dtype()));
        return this;
    }

    private static int type(DType dtype) {
        return switch (dtype) {
            case F32 -> 0;
            case BF16 -> 1;
            case F16 -> 2;
            default -> throw KernelErrors.unsupportedDType(dtype, "F32, BF16 and F16");
        };
    }

    /** A tensor map, by value; {@code map} is the native address of its 128 bytes. */
    Launcher map(long map) {
        memory.putLong(arguments++ * Long.BYTES, map);
        return this;
    }

    /** Launches over a grid of blocks; an empty grid is no launch. */
    void over(long gridX, long gridY, long gridZ, int threads) {
        if (gridX == 0 || gridY == 0 || gridZ == 0) {
            return;
        }
        context.enter();
        int x = Math.toIntExact(gridX);
        int y = Math.toIntExact(gridY);
        int z = Math.toIntExact(gridZ);
        long function = kernel.address();
        if (profiler != null) {
            profiler.begin();
        }
        int code = Driver.Calls.cuLaunchKernel(function, x, y, z, threads, 1, 1, kernel.sharedBytes(), stream, base, 0);
        if (code != 0) {
            Driver.check(code, "launching " + kernel.name() + " over " + x + "×" + y + "×" + z);
        }
        if (profiler != null) {
            profiler.end(kernel.name(), shape, flops, bytes);
        }
    }

    /** Launches over blocks of 256 threads that take {@code perThread} of {@code items} each. */
    void overItems(long items, int perThread) {
        over((items + 256L * perThread - 1) / (256L * perThread), 1, 1, 256);
    }
}
