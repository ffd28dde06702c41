// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.DeviceGroups;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.GatherQueue;
import io.sparkqlora.kernels.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * The processors as GPUs that can be joined: whoever sees them sees devices with memory of their own. A gather comes as early
 * as one may on a GPU, or as late as one may, and both must give the same.
 */
final class FakeGpus {

    /** When what is gathered arrives. */
    enum Arrival {
        /** As soon as the slot is released. */
        EARLY,
        /** When operations have to wait for it. */
        LATE
    }

    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Arrival arrival;
    private final Map<String, World> worlds = new ConcurrentHashMap<>();

    FakeGpus(Arrival arrival) {
        this.arrival = arrival;
    }

    /** How many groups have been made. */
    int groups() {
        return worlds.size();
    }

    /** One of them. */
    Device open(int number) {
        Device cpu = Devices.open("cpu");
        return fake(cpu, Optional.of(new Gpu(cpu, number)));
    }

    /** One that can't be joined to others. */
    static Device alone() {
        return fake(Devices.open("cpu"), Optional.empty());
    }

    private static Device fake(Device cpu, Optional<DeviceGroups> groups) {
        return (Device) Proxy.newProxyInstance(
                FakeGpus.class.getClassLoader(), new Class<?>[] {Device.class}, (proxy, method, arguments) -> {
                    switch (method.getName()) {
                        case "traits":
                            return new Traits();
                        case "hostView":
                            return Optional.empty();
                        case "groups":
                            return groups;
                        default:
                            try {
                                return method.invoke(cpu, arguments);
                            } catch (InvocationTargetException e) {
                                throw e.getCause();
                            }
                    }
                });
    }

    private record Traits() implements DeviceTraits {

        @Override
        public boolean ownsMemory() {
            return true;
        }

        @Override
        public long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long outputs, long rank) {
            return 0;
        }
    }

    private final class Gpu implements DeviceGroups {

        private final Device cpu;
        private final int number;

        Gpu(Device cpu, int number) {
            this.cpu = cpu;
            this.number = number;
        }

        @Override
        public String deviceId() {
            return "FAKE-" + number;
        }

        @Override
        public byte[] newId() {
            return new byte[] {(byte) number, (byte) worlds.size()};
        }

        @Override
        public DeviceGroup join(byte[] id, int rank, int size, Duration timeout, Runnable whileWaiting) {
            World world = worlds.computeIfAbsent(List.of(id[0], id[1]).toString(), key -> new World(size));
            return new Group(cpu, world, rank);
        }
    }

    /** What the members of a group lay out for each other, by call and rank. */
    private static final class World {

        private final int size;
        private final Map<String, ByteBuffer[]> calls = new ConcurrentHashMap<>();
        private final Map<String, CountDownLatch> missing = new ConcurrentHashMap<>();

        World(int size) {
            this.size = size;
        }

        void put(String call, int rank, ByteBuffer mine) {
            calls.computeIfAbsent(call, key -> new ByteBuffer[size])[rank] = mine;
            missing.computeIfAbsent(call, key -> new CountDownLatch(size)).countDown();
        }

        ByteBuffer[] all(String call) {
            try {
                assertThat(missing.get(call).await(PATIENCE.toSeconds(), TimeUnit.SECONDS))
                        .as("all members come to " + call)
                        .isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return calls.get(call);
        }
    }

    private final class Group implements DeviceGroup {

        private final Device cpu;
        private final World world;
        private final int rank;
        private int sums;
        private boolean closed;

        Group(Device cpu, World world, int rank) {
            this.cpu = cpu;
            this.world = world;
            this.rank = rank;
        }

        @Override
        public String name() {
            return "a test";
        }

        private ByteBuffer bytes(Tensor tensor) {
            assertThat(closed).isFalse();
            return cpu.hostView(tensor).orElseThrow().order(ByteOrder.LITTLE_ENDIAN);
        }

        @Override
        public void allReduceSum(Tensor values, Tensor scratch) {
            ByteBuffer mine = bytes(values);
            ByteBuffer copy = ByteBuffer.allocate(mine.remaining()).order(ByteOrder.LITTLE_ENDIAN);
            String call = "sum " + sums++;
            world.put(call, rank, copy.put(mine.duplicate()).flip());
            ByteBuffer[] all = world.all(call);
            for (int at = 0; at < mine.limit(); at += Float.BYTES) {
                float sum = all[0].getFloat(at);
                for (int member = 1; member < all.length; member++) {
                    sum += all[member].getFloat(at);
                }
                mine.putFloat(at, sum);
            }
        }

        @Override
        public GatherQueue gatherQueue(int slots) {
            return new Queue(this, slots);
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    private final class Queue implements GatherQueue {

        private final Group group;
        private final boolean[] released;
        private final List<Runnable> pending = new ArrayList<>();
        private int gathers;

        Queue(Group group, int slots) {
            this.group = group;
            this.released = new boolean[slots];
            for (int i = 0; i < slots; i++) {
                pending.add(null);
            }
        }

        @Override
        public synchronized void release(int slot) {
            released[slot] = true;
        }

        @Override
        public synchronized void begin(int slot, Tensor mine, List<Tensor> places) {
            assertThat(released[slot]).as("slot " + slot + " is released").isTrue();
            released[slot] = false;
            String call = "gather " + gathers++;
            group.world.put(call, group.rank, group.bytes(mine));
            ByteBuffer[] parts = group.world.all(call);
            List<ByteBuffer> to = places.stream().map(group::bytes).toList();
            Runnable arrive = () -> {
                for (int member = 0; member < parts.length; member++) {
                    to.get(member).duplicate().put(parts[member].duplicate());
                }
            };
            if (arrival == Arrival.EARLY) {
                arrive.run();
            } else {
                pending.set(slot, arrive);
            }
        }

        @Override
        public synchronized void await(int slot) {
            Runnable arrive = pending.set(slot, null);
            if (arrive != null) {
                arrive.run();
            }
        }

        @Override
        public void finish(int slot) {
            assertThat(group.closed).isFalse();
        }
    }
}
