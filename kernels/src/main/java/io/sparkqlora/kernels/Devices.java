// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import io.sparkqlora.kernels.internal.cpu.CpuDevice;
import io.sparkqlora.kernels.internal.cuda.CudaDevice;
import io.sparkqlora.kernels.internal.cuda.CudaTraits;

/** Opens devices by name. */
public final class Devices {

    private Devices() {}

    /**
     * What a plan has to know of a device, which need not be there; of a GPU, one of the Hopper generation.
     *
     * @param backend as for {@link #open}
     * @throws QLoraException CONFIG for a name that isn't known
     */
    public static DeviceTraits traits(String backend) {
        if (backend.equals("cpu")) {
            return DeviceTraits.HOST;
        }
        if (backend.equals("cuda") || backend.startsWith("cuda:")) {
            return new CudaTraits(true);
        }
        throw KernelErrors.unknownBackend(backend);
    }

    /**
     * Opens a device; whoever opens it closes it.
     *
     * @param backend {@code cpu}; {@code cuda} for the first GPU, {@code cuda:1} for the second
     * @throws QLoraException CONFIG for a name that isn't known, RESOURCES for a device that isn't there
     */
    public static Device open(String backend) {
        if (backend.equals("cpu")) {
            return new CpuDevice();
        }
        if (backend.equals("cuda") || backend.startsWith("cuda:")) {
            return CudaDevice.open(backend);
        }
        throw KernelErrors.unknownBackend(backend);
    }
}
