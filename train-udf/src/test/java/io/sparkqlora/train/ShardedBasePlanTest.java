// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks that each keep a part of the base take of memory, and what can't be sharded. */
class ShardedBasePlanTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    @ParameterizedTest
    @ValueSource(ints = {2, 4})
    void aRankTakesWhatThePlanSays(int ranks) {
        TrainingArguments sharded = ShardedBaseTest.arguments(ranks, true, Recompute.FULL);
        MemoryPlan plan = plan(sharded);
        MemoryPlan whole = plan(ShardedBaseTest.arguments(ranks, false, Recompute.FULL));
        assertThat(plan.gatheredLayers()).isPositive();
        assertThat(whole.gatheredLayers()).isZero();
        assertThat(whole.layersIfSharded()).isEqualTo(plan.baseWeights() + plan.gatheredLayers());
        List<Ended<Long>> all = Ranks.run(ranks, TIMEOUT, collective -> {
            try (Device device = Devices.open("cpu");
                    TrainingSession session = ShardedBaseTest.open(
                            device, ShardedBaseTest.nf4(true), ShardedBaseTest.DROPPING, sharded, collective.rank())) {
                int[] tokens = IntStream.range(0, ShardedBaseTest.MAX_TOKENS)
                        .map(i -> i % 51)
                        .toArray();
                int[] lengths = {ShardedBaseTest.MAX_TOKENS / 2, ShardedBaseTest.MAX_TOKENS / 2};
                session.step(List.of(List.of(new PackedRow(0, tokens, tokens, lengths))), collective);
                return device.peakBytes();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.value()).isEqualTo(plan.total()));
    }

    private static MemoryPlan plan(TrainingArguments arguments) {
        try (Device device = Devices.open("cpu")) {
            return MemoryPlan.of(
                    device.traits(),
                    ShardedBaseTest.MODEL,
                    ShardedBaseTest.nf4(true),
                    ShardedBaseTest.DROPPING,
                    arguments,
                    ShardedBaseTest.MAX_TOKENS);
        }
    }

    /** 80 layers of 70B in four parts: a quarter of each, and two whole ones. */
    @Test
    void aBaseOfSeventyBillionInFourParts() {
        MemoryPlan whole = seventyBillion(ShardedBaseTest.arguments(4, false, Recompute.FULL));
        MemoryPlan plan = seventyBillion(ShardedBaseTest.arguments(4, true, Recompute.FULL));
        double layer = whole.baseWeights() / 80.0;
        assertThat((double) plan.baseWeights()).isBetween(whole.baseWeights() / 4.0, whole.baseWeights() / 3.99);
        assertThat((double) plan.gatheredLayers()).isBetween(1.99 * layer, 2 * layer);
        long free = plan.total();
        assertThatThrownBy(() -> whole.requireFits("cpu", free))
                .hasMessageContaining("QLORA-T028: not enough memory on cpu: training needs " + whole.total())
                .hasMessageEndingWith("set shard_base: true, with which each rank keeps a part of the base");
        assertThatThrownBy(() -> whole.requireFits("cpu", free - 1)).hasMessageEndingWith("more memory");
        assertThatThrownBy(() -> plan.requireFits("cpu", free - 1))
                .hasMessageContaining("training needs " + free + " bytes")
                .hasMessageEndingWith("more memory");
    }

    private static MemoryPlan seventyBillion(TrainingArguments arguments) {
        try (Device device = Devices.open("cpu")) {
            return MemoryPlan.of(
                    device.traits(),
                    ModelShapes.named("llama3-70b"),
                    ShardedBaseTest.nf4(true),
                    ShardedBaseTest.DROPPING,
                    arguments,
                    16);
        }
    }

    @Test
    void whatCantBeShardedIsRefused() {
        assertThatThrownBy(() -> ShardedBaseTest.arguments(1, true, Recompute.NONE))
                .hasMessageContaining("shard_base")
                .hasMessageContaining("false where num_processes is 1");
        TrainingArguments sharded = ShardedBaseTest.arguments(2, true, Recompute.NONE);
        try (Device device = Devices.open("cpu")) {
            assertThatThrownBy(() -> ShardedBaseTest.open(
                            device, QuantizationConfig.dense(ComputeType.F32), ShardedBaseTest.DROPPING, sharded, 0))
                    .hasMessageStartingWith("QLORA-T113: shard_base is true and load_in_4bit is false");
            assertThatThrownBy(() -> ShardedBaseTest.open(
                            device, ShardedBaseTest.nf4(true), ShardedBaseTest.DROPPING, sharded, 2))
                    .isInstanceOf(IndexOutOfBoundsException.class);
            assertThat(device.peakBytes()).isZero();
        }
        try (Device device = FakeGpus.alone()) {
            assertThatThrownBy(() -> ShardedBaseTest.open(
                            device, ShardedBaseTest.nf4(true), ShardedBaseTest.DROPPING, sharded, 0))
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFIG))
                    .hasMessageStartingWith("QLORA-T112: shard_base is true on GPUs, and cpu (")
                    .hasMessageContaining("can't load libnccl.so.2")
                    .hasMessageEndingWith("set shard_base: false, or backend: cpu");
            assertThat(device.peakBytes()).isZero();
        }
    }
}
