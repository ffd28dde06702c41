// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QLoraException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUresult;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/** One GPU of this machine and the process's primary context on it. */
final class CudaContext implements AutoCloseable {

    private static final int OLDEST = 80;
    private static final ThreadLocal<CudaContext> CURRENT = new ThreadLocal<>();

    private final int ordinal;
    private final CUdevice device = new CUdevice();
    private final CUcontext context = new CUcontext();
    private QLoraException lost;
    private boolean closed;

    CudaContext(int ordinal) {
        Driver.open();
        int[] count = new int[1];
        Driver.check(JCudaDriver.cuDeviceGetCount(count), "cuDeviceGetCount");
        if (ordinal >= count[0]) {
            throw KernelErrors.noSuchCudaDevice(ordinal, count[0]);
        }
        this.ordinal = ordinal;
        Driver.check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet");
        if (capability() < OLDEST) {
            throw KernelErrors.cudaDeviceTooOld(name(), capability(), OLDEST);
        }
        int code = JCudaDriver.cuDevicePrimaryCtxRetain(context, device);
        if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
            throw KernelErrors.noRoomForContext(name());
        }
        Driver.check(code, "cuDevicePrimaryCtxRetain");
    }

    /** The context that this thread's calls went to can't be used any more; later calls fail with the same error. */
    static void lose(QLoraException error) {
        CudaContext current = CURRENT.get();
        if (current != null && current.lost == null) {
            current.lost = error;
        }
    }

    /** Whether a fault took the context along: nothing can be run, copied or freed. */
    boolean lost() {
        return lost != null;
    }

    /** Makes this thread's calls go to this device. */
    void enter() {
        if (lost != null) {
            throw KernelErrors.cudaLost(lost);
        }
        if (CURRENT.get() != this) {
            Driver.check(JCudaDriver.cuCtxSetCurrent(context), "cuCtxSetCurrent");
            CURRENT.set(this);
        }
    }

    int ordinal() {
        return ordinal;
    }

    /** Such as {@code NVIDIA H200}. */
    String name() {
        byte[] name = new byte[128];
        Driver.check(JCudaDriver.cuDeviceGetName(name, name.length, device), "cuDeviceGetName");
        int length = 0;
        while (name[length] != 0) {
            length++;
        }
        return new String(name, 0, length, StandardCharsets.US_ASCII);
    }

    /** The GPU's own number, the same in every process: {@code GPU-} and 32 hexadecimal digits, as nvidia-smi has it. */
    String uuid() {
        CUuuid uuid = new CUuuid();
        Driver.check(JCudaDriver.cuDeviceGetUuid(uuid, device), "cuDeviceGetUuid");
        String digits = HexFormat.of().formatHex(uuid.bytes);
        return "GPU-" + digits.replaceFirst("(.{8})(.{4})(.{4})(.{4})(.{12})", "$1-$2-$3-$4-$5");
    }

    /** Compute capability, 90 for Hopper. */
    int capability() {
        return 10 * attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }

    int multiprocessors() {
        return attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    }

    /** Bytes of shared memory that a block may ask for. */
    int sharedBytes() {
        return attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    }

    private int attribute(int attribute) {
        int[] value = new int[1];
        Driver.check(JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "cuDeviceGetAttribute");
        return value[0];
    }

    /** Bytes of device memory that nobody has allocated. */
    long freeBytes() {
        enter();
        long[] free = new long[1];
        Driver.check(JCudaDriver.cuMemGetInfo(free, new long[1]), "cuMemGetInfo");
        return free[0];
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            CURRENT.remove();
            int code = JCudaDriver.cuDevicePrimaryCtxRelease(device);
            if (!lost()) {
                Driver.check(code, "cuDevicePrimaryCtxRelease");
            }
        }
    }
}
