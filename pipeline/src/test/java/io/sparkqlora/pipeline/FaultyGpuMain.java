// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.pipeline.internal.run.FailingDevices;

/** The command line in a process whose fifth optimizer update comes after a kernel that writes where it may not. */
public final class FaultyGpuMain {

    private static final int UPDATE = 5;

    private FaultyGpuMain() {}

    public static void main(String[] args) {
        try (var devices = FailingDevices.atUpdate(UPDATE, FaultyGpuMain::writeAnywhere)) {
            if (devices != null) {
                Main.main(args);
            }
        }
    }

    private static void writeAnywhere(Device device) {
        Tensor nowhere = Tensor.of(new Nowhere(), DType.F32, 1, 1024);
        device.ops().elementwise().scale(nowhere, 2f, nowhere);
    }

    /** Memory that nobody has. */
    private record Nowhere() implements Memory {
        @Override
        public long address() {
            return 1 << 12;
        }

        @Override
        public long bytes() {
            return 1 << 12;
        }

        @Override
        public void close() {}
    }
}
