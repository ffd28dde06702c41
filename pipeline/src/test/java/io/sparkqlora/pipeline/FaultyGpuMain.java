// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.pipeline.internal.run.FailingDevices;
import java.util.Arrays;

/**
 * The command line in a process whose device fails. The first argument says how: {@code fault=N}, a kernel writes where it may
 * not before the N-th optimizer update; {@code lost=N}, the device only says that it is lost from then on; {@code memory}, it
 * tells of more memory than it has.
 */
public final class FaultyGpuMain {

    private static final long MORE_THAN_ANY_HAS = 1L << 50;

    private FaultyGpuMain() {}

    public static void main(String[] args) {
        try (var devices = devices(args[0])) {
            if (devices != null) {
                Main.main(Arrays.copyOfRange(args, 1, args.length));
            }
        }
    }

    private static FailingDevices devices(String failure) {
        int update = Integer.parseInt(failure.replaceFirst("\\D*", "0"));
        return failure.startsWith("fault")
                ? FailingDevices.atUpdate(update, FaultyGpuMain::writeAnywhere)
                : failure.startsWith("lost")
                        ? FailingDevices.lostAtUpdate(update)
                        : FailingDevices.withMemory(MORE_THAN_ANY_HAS);
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
