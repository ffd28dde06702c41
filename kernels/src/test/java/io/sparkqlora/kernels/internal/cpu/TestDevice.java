// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Device;
import org.junit.jupiter.api.Assumptions;

/**
 * The device that the tests of operations run on: the processor, or with {@code -Dqlora.test.backend=cuda} a GPU, in
 * which case tests are skipped where there is none, which is told at the end.
 */
final class TestDevice {

    /** Tag of tests of what only the processor's implementation has, or of faults that would take a GPU's context along. */
    static final String CPU_ONLY = "cpu-only";

    private static final String BACKEND = System.getProperty("qlora.test.backend", "cpu");

    private TestDevice() {}

    static Device open() {
        if (BACKEND.equals("cpu")) {
            return new CpuDevice();
        }
        Assumptions.assumeTrue(MirrorDevice.available(BACKEND), () -> "no GPU to test on: " + MirrorDevice.reason());
        return new MirrorDevice();
    }
}
