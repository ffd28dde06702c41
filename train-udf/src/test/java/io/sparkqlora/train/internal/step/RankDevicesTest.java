// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.DeviceGroups;
import io.sparkqlora.kernels.GatherQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RankDevicesTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private final List<Gpu> gpus = List.of(new Gpu("GPU-0"), new Gpu("GPU-1"), new Gpu("GPU-2"));
    private final List<RankDevices> sessions =
            new ArrayList<>(gpus.stream().map(RankDevicesTest::of).toList());

    private static RankDevices of(Gpu gpu) {
        return new RankDevices(() -> Optional.of(gpu));
    }

    /** One chunk: the sessions come together, and use their devices twice. */
    private List<Ended<DeviceGroup>> chunk() {
        return Ranks.run(sessions.size(), TIMEOUT, collective -> {
            RankDevices mine = sessions.get(collective.rank());
            DeviceGroup group = mine.of(collective);
            assertThat(mine.of(collective)).isSameAs(group);
            return group;
        });
    }

    private List<DeviceGroup> groups() {
        return chunk().stream()
                .peek(ended -> assertThat(ended.failure()).isNull())
                .map(Ended::value)
                .toList();
    }

    @Test
    void theSameSessionsStayTogether() {
        List<DeviceGroup> first = groups();
        assertThat(groups()).isEqualTo(first);
        assertThat(gpus).allSatisfy(gpu -> assertThat(gpu.joined).hasSize(1));
        assertThat(gpus.stream().map(gpu -> gpu.joined.get(0).id())).containsOnly("drawn by GPU-0, 1");
        assertThat(gpus.stream().map(gpu -> gpu.joined.get(0).rank())).containsExactly(0, 1, 2);
    }

    @Test
    void aNewSessionOfOneRankMakesAllJoinAgain() {
        List<DeviceGroup> first = groups();
        sessions.set(1, of(gpus.get(1)));
        assertThat(groups()).doesNotContainAnyElementsOf(first);
        assertThat(gpus).allSatisfy(gpu -> assertThat(gpu.joined).hasSize(2));
        assertThat(gpus.get(0).joined.get(0).closed()).isTrue();
        assertThat(gpus.get(2).joined.get(0).closed()).isTrue();
    }

    @Test
    void ranksThatChangePlacesJoinAgain() {
        groups();
        sessions.add(sessions.remove(0));
        groups();
        assertThat(gpus).allSatisfy(gpu -> assertThat(gpu.joined).hasSize(2));
        assertThat(gpus.stream().map(gpu -> gpu.joined.get(1).rank())).containsExactly(2, 0, 1);
    }

    @Test
    void whereOneCannotNoneJoins() {
        groups();
        sessions.set(2, new RankDevices(Optional::empty));
        assertThat(groups()).containsOnlyNulls();
        assertThat(gpus.get(0).joined).singleElement().satisfies(member -> assertThat(member.closed())
                .isTrue());
    }

    @Test
    void twoRanksOnOneGpuAreRefused() {
        sessions.set(2, of(new Gpu("GPU-0")));
        assertThat(chunk()).allSatisfy(ended -> assertThat(ended.failure())
                .hasMessageStartingWith("QLORA-T111: ")
                .hasMessageContaining("ranks 0 and 2 have the same GPU, GPU-0: a GPU takes one rank"));
    }

    /** A device that notes who joins. */
    private static final class Gpu implements DeviceGroups {

        private final String name;
        private final List<Joined> joined = new ArrayList<>();
        private int drawn;

        Gpu(String name) {
            this.name = name;
        }

        @Override
        public String deviceId() {
            return name;
        }

        @Override
        public byte[] newId() {
            drawn++;
            return ("drawn by " + name + ", " + drawn).getBytes(StandardCharsets.UTF_8);
        }

        @Override
        public DeviceGroup join(byte[] id, int rank, int size, Duration timeout, Runnable whileWaiting) {
            assertThat(timeout).isEqualTo(TIMEOUT);
            Joined member = new Joined(new String(id, StandardCharsets.UTF_8), rank);
            joined.add(member);
            return member;
        }
    }

    /** A membership. */
    private static final class Joined implements DeviceGroup {

        private final String id;
        private final int rank;
        private boolean closed;

        Joined(String id, int rank) {
            this.id = id;
            this.rank = rank;
        }

        String id() {
            return id;
        }

        int rank() {
            return rank;
        }

        boolean closed() {
            return closed;
        }

        @Override
        public String name() {
            return "a test";
        }

        @Override
        public void allReduceSum(Tensor values, Tensor scratch) {
            throw new UnsupportedOperationException();
        }

        @Override
        public GatherQueue gatherQueue(int slots) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
