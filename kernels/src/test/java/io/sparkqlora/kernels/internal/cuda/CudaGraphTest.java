// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Recording;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("gpu")
class CudaGraphTest {

    private Device device;
    private Tensor x;

    @BeforeEach
    void open() {
        try {
            device = Devices.open("cuda");
        } catch (QLoraException e) {
            System.err.println("A TEST ON cuda IS SKIPPED: " + e.getMessage());
            Assumptions.abort(e.getMessage());
        }
        x = Tensor.of(device.allocate(4096, "a test"), DType.F32, 1, 1024);
        set(1f);
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    private void set(float value) {
        ByteBuffer bytes = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat(value);
        }
        device.copyIn(bytes.flip(), x);
    }

    private float get() {
        ByteBuffer bytes = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(x, bytes);
        return bytes.getFloat(4092);
    }

    private void twicePlusItself() {
        device.ops().elementwise().scale(x, 2f, x);
        device.ops().elementwise().add(x, x, x);
    }

    @Test
    void recordingIssuesNothingAndRunsReadWhatIsThereThen() {
        twicePlusItself();
        assertThat(get()).isEqualTo(4f);
        try (Recording recording = device.record(this::twicePlusItself)) {
            assertThat(get()).isEqualTo(4f);
            recording.run();
            assertThat(get()).isEqualTo(16f);
            set(3f);
            recording.run();
            recording.run();
            assertThat(get()).isEqualTo(48f);
        }
    }

    @Test
    void aProfileSeesTheKernelsOfARecording() {
        twicePlusItself();
        try (Recording recording = device.record(this::twicePlusItself)) {
            device.startProfile();
            recording.run();
            assertThat(device.stopProfile().kernels()).extracting(k -> k.name()).contains("scale_8", "add_8");
            assertThat(get()).isEqualTo(16f);
        }
    }

    @Test
    void memoryThatWasFreedMakesARecordingStale() {
        twicePlusItself();
        Memory other = device.allocate(100, "a test");
        try (Recording recording = device.record(this::twicePlusItself)) {
            assertThat(recording.stale()).isFalse();
            other.close();
            assertThat(recording.stale()).isTrue();
            assertThatThrownBy(recording::run).hasMessageContaining("whose memory may be gone");
        }
    }

    @Test
    void whatCanNotBeRecordedIsAnErrorAndTheDeviceGoesOn() {
        twicePlusItself();
        assertThatThrownBy(() -> device.record(() -> {
                    twicePlusItself();
                    device.synchronize();
                }))
                .isInstanceOf(QLoraException.class)
                .hasMessageMatching("QLORA-K050: the GPU's operations can't be captured as a graph: .* set"
                        + " -Dio.sparkqlora.cuda.graph=false to launch them one by one, .*");
        assertThat(get()).isEqualTo(4f);
        twicePlusItself();
        assertThat(get()).isEqualTo(16f);
    }

    @Test
    void canBeSwitchedOff() {
        System.setProperty(CudaGraph.ENABLED, "false");
        try (Recording recording = device.record(this::twicePlusItself)) {
            assertThat(recording).isNotInstanceOf(CudaGraph.class);
            recording.run();
            assertThat(get()).isEqualTo(4f);
        } finally {
            System.clearProperty(CudaGraph.ENABLED);
        }
    }
}
