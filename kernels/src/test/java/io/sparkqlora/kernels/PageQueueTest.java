// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Memory.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PageQueueTest {

    private static final int PAGE = 1 << 20;
    private static final int PAGES = 7;

    private Device device;

    private void open(String backend) {
        try {
            device = Devices.open(backend);
        } catch (QLoraException e) {
            System.err.println("A TEST ON " + backend + " IS SKIPPED: " + e.getMessage());
            Assumptions.abort(e.getMessage());
        }
    }

    @AfterEach
    void close() {
        if (device != null) {
            device.close();
        }
    }

    private Tensor floats(Memory memory) {
        return Tensor.of(memory, DType.F32, 1, memory.bytes() / Float.BYTES);
    }

    private float[] read(Tensor tensor) {
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.nativeOrder());
        device.copyOut(tensor, bytes);
        float[] out = new float[(int) tensor.size()];
        bytes.asFloatBuffer().get(out);
        return out;
    }

    private void write(Tensor tensor, float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(values);
        device.copyIn(bytes, tensor);
    }

    /** Each page is scaled by two, three times over: a page that came early or left late would show. */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "cuda"})
    void pagesComeAndGoInOrder(String backend) {
        open(backend);
        Tensor all = floats(device.allocateHost(4L * PAGES * PAGE, "a test"));
        float[] values = new float[PAGES * PAGE];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        write(all, values);
        try (PageQueue queue = device.pageQueue(2)) {
            Tensor[] slots = {floats(device.allocate(4L * PAGE, "a test")), floats(device.allocate(4L * PAGE, "a test"))
            };
            for (int round = 0; round < 3; round++) {
                scale(queue, all, slots);
            }
        }
        float[] got = read(all);
        for (int i = 0; i < values.length; i++) {
            values[i] = 8f * i;
        }
        assertThat(got).isEqualTo(values);
    }

    private void scale(PageQueue queue, Tensor all, Tensor[] slots) {
        for (int page = 0; page < slots.length; page++) {
            queue.in(page, List.of(page(all, page)), List.of(slots[page]));
        }
        for (int page = 0; page < PAGES; page++) {
            int slot = page % slots.length;
            queue.await(slot);
            device.ops().elementwise().scale(slots[slot], 2f, slots[slot]);
            queue.out(slot, List.of(slots[slot]), List.of(page(all, page)));
            if (page + slots.length < PAGES) {
                queue.in(slot, List.of(page(all, page + slots.length)), List.of(slots[slot]));
            }
        }
        queue.finish();
    }

    private static Tensor page(Tensor all, int page) {
        return all.colRange((long) page * PAGE, (page + 1L) * PAGE);
    }

    @Test
    @Tag("gpu")
    void operationsReachHostMemory() {
        open("cuda");
        Memory memory = device.allocateHost(4 * 5000, "a test");
        assertThat(memory.kind()).isEqualTo(Kind.HOST);
        assertThat(device.peakHostBytes()).isEqualTo(4 * 5000);
        assertThat(device.peakBytes()).isZero();
        Tensor host = floats(memory);
        device.ops().elementwise().zero(host);
        assertThat(read(host)).containsOnly(0f);
        write(host.colRange(10, 12), 3f, 4f);
        Tensor sum = Tensor.of(device.allocate(8, "a test"), DType.F64, 1, 1);
        device.ops().elementwise().zero(sum);
        device.ops().gradientClip().sumOfSquares(host, sum);
        ByteBuffer out = ByteBuffer.allocate(8).order(ByteOrder.nativeOrder());
        device.copyOut(sum, out);
        assertThat(out.getDouble(0)).isEqualTo(25);
        memory.close();
        assertThatThrownBy(memory::address).hasMessageContaining("was closed");
    }

    @Test
    @Tag("gpu")
    void tooMuchHostMemoryNamesNeedHaveAndFix() {
        open("cuda");
        assertThatThrownBy(() -> device.allocateHost(1L << 45, "the embedding"))
                .isInstanceOf(QLoraException.class)
                .hasMessageMatching("QLORA-K002: not enough memory on the host for the embedding: needs 35184372088832"
                        + " bytes, \\d+ are free; .*offload_embedding.*");
    }

    @Test
    void whereMemoryIsOneHostMemoryIsTheDevices() {
        open("cpu");
        Memory memory = device.allocateHost(1000, "a test");
        assertThat(memory.kind()).isEqualTo(Kind.DEVICE);
        assertThat(device.peakBytes()).isEqualTo(1000);
        assertThat(device.peakHostBytes()).isZero();
        assertThat(device.traits().ownsMemory()).isFalse();
        assertThat(Devices.traits("cuda:1").ownsMemory()).isTrue();
        assertThatThrownBy(() -> Devices.traits("tpu")).hasMessageContaining("QLORA-K005");
    }

    @Test
    void aPlanCountsHostMemoryApart() {
        PlanningDevice apart = new PlanningDevice(Devices.traits("cuda"));
        apart.allocateHost(1000, "a test");
        assertThat(apart.peakBytes()).isZero();
        PlanningDevice one = new PlanningDevice();
        one.allocateHost(1000, "a test");
        assertThat(one.peakBytes()).isEqualTo(1000);
        one.pageQueue(2).finish();
    }
}
