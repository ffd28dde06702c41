// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.RandomBytes;
import io.sparkqlora.kernels.Tensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class CudaDeviceTest {

    private static Device open() {
        try {
            return Devices.open("cuda");
        } catch (QLoraException e) {
            return Assumptions.abort("no GPU to test on: " + e.getMessage());
        }
    }

    @Test
    void namesThatAreNoGpuAreRefused() {
        for (String name : new String[] {"cuda:x", "cuda:-1", "cuda:", "cuda:1.5"}) {
            assertThatThrownBy(() -> Devices.open(name))
                    .isInstanceOf(QLoraException.class)
                    .hasMessage("QLORA-K005: there is no backend " + name
                            + "; set backend to cpu, cuda or cuda:1 (2, 3 …)");
        }
    }

    /** Without a GPU, a driver or kernels in the build: always an error with a fix, and the exit code of missing resources. */
    @Test
    void aGpuThatIsNotThereIsAnErrorThatSaysSo() {
        assertThatThrownBy(() -> Devices.open("cuda:77"))
                .isInstanceOf(QLoraException.class)
                .hasMessageMatching("QLORA-K0(04|40|41|42): .* set .*")
                .satisfies(e -> assertThat(((QLoraException) e).kind()).isEqualTo(QLoraException.Kind.RESOURCES));
    }

    @Test
    @Tag("gpu")
    void tooMuchMemoryNamesNeedHaveAndFix() {
        try (Device device = open()) {
            assertThatThrownBy(() -> device.allocate(1L << 45, "the base model"))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageMatching("QLORA-K002: not enough memory on cuda:0 \\(.*\\) for the base model: needs"
                            + " 35184372088832 bytes, \\d+ are free; lower per_device_train_batch_size .*");
            device.allocate(1000, "a test");
            device.synchronize();
        }
    }

    @Test
    @Tag("gpu")
    void allocationsAreCountedAndFreed() {
        try (Device device = open()) {
            long before = device.availableBytes();
            Memory first = device.allocate(1L << 30, "a test");
            assertThat(device.availableBytes()).isLessThanOrEqualTo(before - (1L << 30));
            first.close();
            first.close();
            device.allocate(2000, "a test");
            assertThat(device.peakBytes()).isEqualTo(1L << 30);
            assertThatThrownBy(first::address).hasMessageContaining("was closed");
        }
    }

    @Test
    @Tag("gpu")
    void copiesOfAnySizeGoInAndOut() {
        try (Device device = open()) {
            for (int size : new int[] {1, 1000, 8 << 20, (8 << 20) + 1, 50_000_001}) {
                byte[] data = new byte[size];
                new Random(size).nextBytes(data);
                Tensor tensor = Tensor.of(device.allocate(size, "a test"), DType.U8, 1, size);
                ByteBuffer direct = ByteBuffer.allocateDirect(size + 5).position(5);
                direct.put(data).position(5);
                device.copyIn(direct, tensor);
                assertThat(direct.position()).isEqualTo(5);
                byte[] got = new byte[size];
                device.copyOut(tensor, ByteBuffer.wrap(got));
                assertThat(got).isEqualTo(data);
            }
        }
    }

    @Test
    @Tag("gpu")
    void sourcesOfAnySizeAreUploadedInOrder() {
        try (Device device = open()) {
            RandomBytes.checkUploads(device);
        }
    }

    @Test
    @Tag("gpu")
    void aSecondDeviceOnTheSameGpuIsIndependent() {
        try (Device one = open()) {
            try (Device two = open()) {
                two.allocate(100, "a test");
            }
            Tensor x = Tensor.of(one.allocate(4096, "a test"), DType.F32, 1, 1024);
            one.ops().elementwise().zero(x);
            one.ops().elementwise().scale(x, 2f, x);
            one.synchronize();
            assertThat(one.name()).startsWith("cuda:0 (");
        }
    }

    /** In a JVM of its own: the fault takes the process's context along. */
    @Test
    @Tag("gpu")
    void aFaultIsToldByEveryLaterCallAndClosingHidesNothing() throws IOException, InterruptedException {
        open().close();
        String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "-cp",
                        classPath,
                        FaultyKernel.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        assertThat(process.waitFor()).as("%s", lines).isEqualTo(QLoraException.Kind.DEVICE.exitCode());
        assertThat(lines).hasSize(5);
        assertThat(lines.get(0))
                .matches("QLORA-K045: the GPU failed while running kernels: CUDA_ERROR_.*; this process can't"
                        + " use it any more: .*");
        assertThat(lines.subList(1, 4)).containsOnly(lines.get(0));
        assertThat(lines.get(4)).isEqualTo("closed");
    }
}
