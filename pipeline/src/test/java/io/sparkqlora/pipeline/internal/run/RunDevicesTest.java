// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RunDevicesTest {

    @AfterEach
    void realDevices() {
        RunDevices.openWith(Devices::open);
    }

    @Test
    void autoTakesTheGpuIfThereIsOne() {
        // the processor stands in for the GPU
        RunDevices.openWith(backend -> Devices.open(backend.replace("cuda", "cpu")));
        RunDevice found = RunDevices.find(
                TestSpark.session(),
                TestJobs.small(Path.of("out")).set("backend", "auto").build());
        assertThat(found.backend()).isEqualTo("cuda");
        assertThat(found.availableBytes()).isPositive();
        assertThat(found.describe()).isEqualTo("on " + found.name());
    }

    @Test
    void autoTakesTheProcessorWhereThereIsNoGpuAndSaysWhy() {
        gpuFails(() -> KernelErrors.noCudaDevice("CUDA_ERROR_NO_DEVICE (100)"));
        RunDevice found = RunDevices.here("auto");
        assertThat(found.backend()).isEqualTo("cpu");
        assertThat(found.describe()).startsWith("on cpu (").endsWith(": backend auto finds no GPU to use (QLORA-K041)");
        try (Device device = RunDevices.open("auto")) {
            assertThat(device.name()).isEqualTo(found.name());
        }
        assertThatThrownBy(() -> RunDevices.here("cuda")).hasMessageContaining("QLORA-K041");
    }

    @Test
    void aGpuThatIsThereAndFailsIsNotPassedOver() {
        gpuFails(() -> KernelErrors.noRoomForContext("NVIDIA H200"));
        assertThatThrownBy(() -> RunDevices.here("auto")).hasMessageContaining("QLORA-K044");
        gpuFails(() -> KernelErrors.cudaFailed("cuInit", "CUDA_ERROR_UNKNOWN (999)"));
        assertThatThrownBy(() -> RunDevices.here("auto")).hasMessageContaining("QLORA-K045");
    }

    @Test
    void theGpuIsTheOneThatSparkGaveTheTask() {
        assertThat(RunDevices.deviceName("cuda", List.of())).isEqualTo("cuda");
        assertThat(RunDevices.deviceName("cuda", List.of("3"))).isEqualTo("cuda:3");
        assertThat(RunDevices.deviceName("cpu", List.of("3"))).isEqualTo("cpu");
        assertThatThrownBy(() -> RunDevices.deviceName("cuda", List.of("GPU-1f")))
                .isInstanceOf(QLoraException.class)
                .hasMessage(
                        "QLORA-P049: Spark gave the task a GPU with the address 'GPU-1f', which is no number; let the"
                                + " script in spark.executor.resource.gpu.discoveryScript print the numbers that nvidia-smi shows");
    }

    @Test
    void aTasksReportCarriesTheDeviceOrTheFailure() {
        RunDevice here = RunDevices.here("cpu");
        RunDevice reported = DeviceReport.device(DeviceReport.of("cpu", null));
        assertThat(reported.name()).isEqualTo(here.name());
        assertThat(reported.backend()).isEqualTo("cpu");
        RunDevice held = DeviceReport.device(DeviceReport.of("cpu", "1MiB"));
        assertThat(held.availableBytes()).isEqualTo(1 << 20);
        assertThat(held.name()).isEqualTo(here.name() + ", max_memory 1MiB");
        gpuFails(() -> KernelErrors.noCudaDevice("CUDA_ERROR_NO_DEVICE (100)"));
        String report = DeviceReport.of("cuda", null);
        assertThatThrownBy(() -> DeviceReport.device(report))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(QLoraException.Kind.RESOURCES))
                .hasMessageStartingWith("QLORA-K041: the NVIDIA driver finds no GPU");
    }

    private static void gpuFails(java.util.function.Supplier<QLoraException> failure) {
        Function<String, Device> opener = backend -> {
            if (backend.startsWith("cuda")) {
                throw failure.get();
            }
            return Devices.open(backend);
        };
        RunDevices.openWith(opener);
    }
}
