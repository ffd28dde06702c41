// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Two GPUs of this machine, a thread each. */
@Tag("gpu")
class NcclGroupTest {

    private static final int RANKS = 2;
    private static final int SCRATCH = 4_000_001;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final List<Device> devices = new ArrayList<>();
    private final List<ExecutorService> threads = new ArrayList<>();

    @BeforeEach
    void open() {
        try {
            for (int rank = 0; rank < RANKS; rank++) {
                devices.add(Devices.open("cuda:" + rank));
                threads.add(Executors.newSingleThreadExecutor());
            }
        } catch (QLoraException e) {
            skip(e.getMessage());
        }
        if (devices.get(0).groups().isEmpty()) {
            skip("libnccl.so.2 can't be loaded");
        }
    }

    private static void skip(String reason) {
        System.err.println("A TEST ON TWO GPUS IS SKIPPED: " + reason);
        Assumptions.abort(reason);
    }

    @AfterEach
    void close() {
        threads.forEach(ExecutorService::shutdownNow);
        devices.forEach(Device::close);
    }

    private interface Member<T> {
        T run(Device device, int rank) throws Exception;
    }

    private <T> List<Future<T>> start(Member<T> member) {
        List<Future<T>> all = new ArrayList<>();
        for (int i = 0; i < RANKS; i++) {
            int rank = i;
            Callable<T> call = () -> member.run(devices.get(rank), rank);
            all.add(threads.get(rank).submit(call));
        }
        return all;
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.get(2 * PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    private DeviceGroup join(Device device, byte[] id, int rank, Duration timeout) {
        return device.groups().orElseThrow().join(id, rank, RANKS, timeout, () -> {});
    }

    private static float[] numbers(int rank, int count) {
        Random random = new Random(rank);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static byte[] sum(Device device, DeviceGroup group, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        try (var memory = device.allocate(bytes.capacity(), "a test");
                var scratch = device.allocate((long) Float.BYTES * SCRATCH, "a test")) {
            Tensor tensor = Tensor.of(memory, DType.F32, 1, values.length);
            device.copyIn(bytes, tensor);
            group.allReduceSum(tensor, Tensor.of(scratch, DType.F32, 1, SCRATCH));
            device.copyOut(tensor, bytes);
            return bytes.array();
        }
    }

    @Test
    void sumsAreTheSameOnAllMembersAndTheNextTime() throws Exception {
        int count = SCRATCH + 1_000_003; // more than a piece, and odd
        byte[] id = devices.get(0).groups().orElseThrow().newId();
        List<Future<List<byte[]>>> members = start((device, rank) -> {
            try (DeviceGroup group = join(device, id, rank, PATIENCE)) {
                assertThat(group.name()).startsWith("NCCL 2.");
                float[] mine = numbers(rank, count);
                return List.of(sum(device, group, mine), sum(device, group, mine));
            }
        });
        byte[] first = get(members.get(0)).get(0);
        float[] a = numbers(0, count);
        float[] b = numbers(1, count);
        ByteBuffer sums = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            assertThat(sums.getFloat(i * Float.BYTES)).isEqualTo(a[i] + b[i]); // of two numbers: one rounding
        }
        for (Future<List<byte[]>> member : members) {
            for (byte[] result : get(member)) {
                assertThat(Arrays.equals(result, first)).isTrue();
            }
        }
    }

    @Test
    void everyGpuHasItsOwnId() {
        assertThat(devices.stream().map(device -> device.groups().orElseThrow().deviceId()))
                .doesNotHaveDuplicates()
                .allMatch(id -> id.matches("GPU-\\p{XDigit}{8}(-\\p{XDigit}{4}){3}-\\p{XDigit}{12}"));
    }

    @Test
    void aMemberThatIsSilentIsNotWaitedForWithoutEnd() throws Exception {
        assertLeft(NcclPeer.SILENT, Duration.ofSeconds(10)); // the other one has to start in it
    }

    @Test
    void aMemberWhoseProcessIsGoneIsNotWaitedForWithoutEnd() throws Exception {
        assertLeft(NcclPeer.GONE, Duration.ofSeconds(10));
    }

    /** With a process of its own for the other member, as on a cluster. */
    private void assertLeft(String behaviour, Duration timeout) throws Exception {
        byte[] id = devices.get(0).groups().orElseThrow().newId();
        Process peer = NcclPeer.start(id, behaviour);
        try {
            Future<?> left = threads.get(0).submit(() -> {
                Device device = devices.get(0);
                try (DeviceGroup group = join(device, id, 0, timeout)) {
                    if (behaviour.equals(NcclPeer.GONE)) {
                        assertThat(peer.waitFor(1, TimeUnit.MINUTES)).isTrue();
                    }
                    assertThatThrownBy(() -> sum(device, group, numbers(0, 100)))
                            .isInstanceOfSatisfying(QLoraException.class, e -> assertThat(e.kind())
                                    .isEqualTo(QLoraException.Kind.RANK_LOST));
                }
                device.synchronize(); // what waited on the GPU has ended
                return null;
            });
            get(left);
        } finally {
            peer.destroyForcibly().waitFor();
        }
    }

    @Test
    void aMemberThatDoesNotComeIsNotWaitedForWithoutEnd() throws Exception {
        byte[] id = devices.get(0).groups().orElseThrow().newId();
        Future<?> alone = threads.get(0)
                .submit(() -> assertThatThrownBy(() -> join(devices.get(0), id, 0, Duration.ofSeconds(2)))
                        .isInstanceOf(QLoraException.class)
                        .hasMessageContaining("QLORA-K071")
                        .hasMessageContaining("joining as rank 0 of 2"));
        get(alone);
    }
}
