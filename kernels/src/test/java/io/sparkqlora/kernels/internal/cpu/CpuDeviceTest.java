// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.RandomBytes;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CpuDeviceTest {

    @Test
    void tooMuchMemoryNamesNeedHaveAndFix() {
        try (Device device = Devices.open("cpu")) {
            assertThatThrownBy(() -> device.allocate(1L << 50, "the base model"))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageMatching(
                            "QLORA-K002: not enough memory on cpu for the base model: needs 1125899906842624"
                                    + " bytes, \\d+ are free; lower per_device_train_batch_size or max_seq_length, set recompute"
                                    + " to full, or give the process more memory")
                    .satisfies(e -> assertThat(((QLoraException) e).kind()).isEqualTo(QLoraException.Kind.RESOURCES));
        }
    }

    @Test
    void allocationsAreCountedEvenBeforeTheyAreTouched() {
        try (Device device = Devices.open("cpu")) {
            long before = device.availableBytes();
            Memory first = device.allocate(1L << 30, "a test");
            assertThat(device.availableBytes()).isLessThanOrEqualTo(before - (1L << 30) + (256 << 20));
            Memory second = device.allocate(1000, "a test");
            first.close();
            first.close();
            device.allocate(2000, "a test");
            assertThat(device.peakBytes()).isEqualTo((1L << 30) + 1000);
            assertThat(second.address() % CpuMemory.ALIGNMENT).isZero();
            assertThatThrownBy(first::address)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("was closed");
        }
    }

    @Test
    void closingTheDeviceFreesWhatIsOpen() {
        Device device = Devices.open("cpu");
        Memory memory = device.allocate(100, "a test");
        device.close();
        assertThatThrownBy(memory::address).hasMessageContaining("was closed");
    }

    @Test
    void aViewIsTheTensorsOwnBytes() {
        try (Device device = Devices.open("cpu")) {
            Tensor tensor = Tensor.of(device.allocate(12, "a test"), DType.U8, 3, 4);
            device.copyIn(ByteBuffer.wrap(new byte[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}), tensor);
            ByteBuffer view = device.hostView(tensor.rowRange(1, 3)).orElseThrow();
            assertThat(view.isDirect()).isTrue();
            assertThat(view).isEqualTo(ByteBuffer.wrap(new byte[] {4, 5, 6, 7, 8, 9, 10, 11}));
            view.put(0, (byte) 40);
            byte[] row = new byte[4];
            device.copyOut(tensor.rowRange(1, 2), ByteBuffer.wrap(row));
            assertThat(row).containsExactly(40, 5, 6, 7);
            assertThatThrownBy(() -> device.hostView(tensor.colRange(0, 2)))
                    .hasMessageContaining("its rows have gaps between them");
        }
        assertThat(new PlanningDevice().hostView(null)).isEmpty();
    }

    @Test
    void buffersOfAnyKindGoInAndOut() {
        byte[] data = new byte[3 << 20];
        new Random(3).nextBytes(data);
        ByteBuffer direct = ByteBuffer.allocateDirect(data.length + 7).position(7);
        direct.put(data).position(7);
        for (ByteBuffer source :
                new ByteBuffer[] {direct, direct.slice(), ByteBuffer.wrap(data).asReadOnlyBuffer()}) {
            for (ByteBuffer target :
                    new ByteBuffer[] {ByteBuffer.allocate(data.length + 3), ByteBuffer.allocateDirect(data.length + 3)
                    }) {
                roundTrip(source, target.position(2).limit(data.length + 2), data);
            }
        }
    }

    private static void roundTrip(ByteBuffer source, ByteBuffer target, byte[] data) {
        try (Device device = Devices.open("cpu");
                Memory memory = device.allocate(data.length, "a test")) {
            Tensor tensor = Tensor.of(memory, DType.U8, 1, data.length);
            int position = source.position();
            device.copyIn(source, tensor);
            device.copyOut(tensor, target);
            device.synchronize();
            assertThat(source.position()).isEqualTo(position);
            assertThat(target.position()).isEqualTo(2);
            byte[] got = new byte[data.length];
            target.get(got);
            assertThat(got).isEqualTo(data);
        }
    }

    @Test
    void copiesOfAnotherSizeAreRefused() {
        try (Device device = Devices.open("cpu");
                Memory memory = device.allocate(64, "a test")) {
            Tensor tensor = Tensor.of(memory, DType.U8, 1, 64);
            assertThatThrownBy(() -> device.copyIn(ByteBuffer.allocate(63), tensor))
                    .hasMessage("a buffer of 63 bytes and a tensor of 64 bytes don't match");
        }
    }

    @Test
    void backendsThatAreNotHereAreRefused() {
        assertThatThrownBy(() -> Devices.open("tpu"))
                .isInstanceOf(QLoraException.class)
                .hasMessage("QLORA-K005: there is no backend tpu; set backend to cpu, cuda or cuda:1 (2, 3 …)");
    }

    @Test
    void itSaysWhatItIs() {
        try (Device device = Devices.open("cpu")) {
            assertThat(device.name()).matches("cpu \\(\\d+ threads?, avx\\w+\\)");
        }
    }

    @Test
    void sourcesOfAnySizeAreUploadedInOrder() {
        try (CpuDevice device = new CpuDevice()) {
            RandomBytes.checkUploads(device);
        }
    }
}
