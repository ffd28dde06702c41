// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QLoraException;
import java.util.Set;
import java.util.function.LongSupplier;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/**
 * The CUDA driver. What runs once goes through JCuda; the two calls of a launch go through JNA's direct mapping, which takes
 * addresses as they are: JCuda makes objects of every argument of every launch, and has no tensor maps.
 */
final class Driver {

    /** After these every call on the context fails: a kernel broke off, or the hardware failed. */
    private static final Set<Integer> LOSING = Set.of(
            CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
            CUresult.CUDA_ERROR_NVLINK_UNCORRECTABLE,
            CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
            CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
            CUresult.CUDA_ERROR_CONTEXT_IS_DESTROYED,
            CUresult.CUDA_ERROR_ASSERT,
            CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
            CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
            CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
            CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
            CUresult.CUDA_ERROR_INVALID_PC,
            CUresult.CUDA_ERROR_LAUNCH_FAILED);

    /**
     * Has the driver load all kernels of a file with it. Else it puts them off to their first use, and what then finds no memory is broken
     * for good: with driver 580 graphs end in CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, however much is free later.
     */
    private static final String LOADING = "CUDA_MODULE_LOADING";

    private static boolean open;

    private Driver() {}

    /** Loads and initialises the driver, once a process. */
    static synchronized void open() {
        if (open) {
            return;
        }
        // what the user has set stays
        NativeLibrary.getProcess().getFunction("setenv").invokeInt(new Object[] {LOADING, "EAGER", 0});
        try {
            Native.register(Calls.class, NativeLibrary.getInstance("libcuda.so.1"));
        } catch (LinkageError e) {
            throw KernelErrors.noCudaDriver(e);
        }
        JCudaNatives.load();
        int code = JCudaDriver.cuInit(0);
        if (code != CUresult.CUDA_SUCCESS) {
            throw KernelErrors.noCudaDevice(name(code));
        }
        open = true;
    }

    /** The name that the driver gives a code. */
    static String name(int code) {
        return CUresult.stringFor(code) + " (" + code + ")";
    }

    /** Throws unless {@code code} is success. */
    static void check(int code, String call) {
        if (code != CUresult.CUDA_SUCCESS) {
            throw failure(code, call, Driver::freeBytes);
        }
    }

    /** What a code means; if nothing more can run on the GPU, its context takes note. */
    static QLoraException failure(int code, String call, LongSupplier freeBytes) {
        if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            return KernelErrors.driverOutOfMemory(call, freeBytes.getAsLong());
        }
        QLoraException error = KernelErrors.cudaFailed(call, name(code));
        if (LOSING.contains(code)) {
            CudaContext.lose(error);
        }
        return error;
    }

    /** Of the current context's device; −1 where that can't be told. */
    private static long freeBytes() {
        long[] free = new long[1];
        return JCudaDriver.cuMemGetInfo(free, new long[1]) == CUresult.CUDA_SUCCESS ? free[0] : -1;
    }

    /** Functions of libcuda; pointers and handles are addresses. */
    static final class Calls {

        private Calls() {}

        static native int cuLaunchKernel(
                long function,
                int gridX,
                int gridY,
                int gridZ,
                int blockX,
                int blockY,
                int blockZ,
                int sharedBytes,
                long stream,
                long arguments,
                long extra);

        static native int cuTensorMapEncodeTiled(
                long map,
                int type,
                int rank,
                long address,
                long dimensions,
                long strides,
                long box,
                long elementStrides,
                int interleave,
                int swizzle,
                int promotion,
                int fill);
    }
}
