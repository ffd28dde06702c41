// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.FakeGpus.Arrival;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranks that each keep a part of the base take the steps of ranks that have all of it, bit for bit. */
class ShardedBaseTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final int STEPS = 3;
    static final int MAX_TOKENS = 96;

    /** Two ranks share them unevenly, four leave one without. */
    private static final int BATCHES = 3;

    /** Nothing divides by 64, by 256, or by a number of ranks.  */
    static final ModelConfig MODEL = ModelConfig.parse(
            """
            {"model_type": "llama", "hidden_size": 36, "intermediate_size": 44, "num_hidden_layers": 5,
             "num_attention_heads": 3, "num_key_value_heads": 1, "vocab_size": 51, "max_position_embeddings": 64,
             "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": false}
            """,
            "odd");

    static final LoraConfig DROPPING = DataParallelTest.DROPPING;

    private static LoraConfig lora(int r, TargetModules targets) {
        return LoraConfig.builder().r(r).loraAlpha(8).targetModules(targets).build();
    }

    static QuantizationConfig nf4(boolean doubleQuant) {
        return nf4(doubleQuant, ComputeType.F32);
    }

    static QuantizationConfig nf4(boolean doubleQuant, ComputeType compute) {
        return new QuantizationConfig(
                true, QuantFormat.Type.NF4, doubleQuant, QuantizationConfig.DEFAULT_BLOCK_SIZE, compute);
    }

    static TrainingArguments arguments(int ranks, boolean sharded, Recompute recompute) {
        return TestSessions.ARGUMENTS.toBuilder()
                .perDeviceTrainBatchSize(1)
                .gradientAccumulationSteps((BATCHES + ranks - 1) / ranks)
                .numProcesses(ranks)
                .shardBase(sharded)
                .recompute(recompute)
                .build();
    }

    static TrainingSession open(
            Device device, QuantizationConfig quantization, LoraConfig lora, TrainingArguments arguments, int part) {
        return TrainingSession.open(
                device, MODEL, new ScaledWeights(MODEL), quantization, lora, arguments, MAX_TOKENS, part);
    }

    static List<List<PackedRow>> batches(long step, Collective collective) {
        List<List<PackedRow>> batches = new ArrayList<>();
        for (int i = collective.rank(); i < BATCHES; i += collective.worldSize()) {
            batches.add(List.of(TestRows.packed(100 * step + i, 51, 9 + i, 14)));
        }
        return batches;
    }

    private static TrainingState train(
            int ranks, QuantizationConfig quantization, LoraConfig lora, TrainingArguments arguments) {
        return train(ranks, quantization, lora, arguments, rank -> Devices.open("cpu"));
    }

    /** @param devices by rank */
    static TrainingState train(
            int ranks,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            IntFunction<Device> devices) {
        List<Ended<TrainingState>> all = Ranks.run(ranks, TIMEOUT, collective -> {
            int part = arguments.shardBase() ? collective.rank() : 0;
            try (Device device = devices.apply(collective.rank());
                    TrainingSession session = open(device, quantization, lora, arguments, part)) {
                for (int step = 0; step < STEPS; step++) {
                    session.step(batches(step, collective), collective);
                }
                session.requireSameOnAllRanks(collective);
                return session.state();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.get(ranks - 1).value();
    }

    private static final Map<List<Object>, TrainingState> WHOLE = new HashMap<>();

    /** Over a whole base; what is recomputed makes no difference. */
    private static TrainingState whole(int ranks, QuantizationConfig quantization, LoraConfig lora) {
        return WHOLE.computeIfAbsent(
                List.of(ranks, quantization, lora),
                key -> train(ranks, quantization, lora, arguments(ranks, false, Recompute.NONE)));
    }

    private static void requireSameBits(
            int ranks, QuantizationConfig quantization, LoraConfig lora, Recompute recompute) {
        assertThat(train(ranks, quantization, lora, arguments(ranks, true, recompute)))
                .isEqualTo(whole(ranks, quantization, lora));
    }

    @ParameterizedTest
    @CsvSource({
        "2, NONE, true",
        "2, SELECTIVE, true",
        "2, FULL, true",
        "2, NONE, false",
        "2, SELECTIVE, false",
        "2, FULL, false",
        "4, NONE, true",
        "4, SELECTIVE, false",
        "4, FULL, true"
    })
    void theBitsAreThoseOfAWholeBase(int ranks, Recompute recompute, boolean doubleQuant) {
        requireSameBits(ranks, nf4(doubleQuant), DROPPING, recompute);
    }

    @Test
    void theBitsAreThoseOfAWholeBaseIn8Bits() {
        QuantizationConfig int8 = QuantizationConfig.dense(ComputeType.F32).withInt8(2);
        requireSameBits(2, int8, DROPPING, Recompute.FULL);
    }

    @Test
    void gradientsThatAreAddedUpBetweenGathersAreTheSame() {
        requireSameBits(2, nf4(true), lora(256, TargetModules.allLinear()), Recompute.FULL);
    }

    /** The scale of the loss is the same on all ranks, whoever has which part. */
    @Test
    void theBitsAreThoseOfAWholeBaseInHalvesToo() {
        requireSameBits(2, nf4(true, ComputeType.F16), DROPPING, Recompute.SELECTIVE);
    }

    /** What GPUs do, in the order in which they do it, with gathers that come as early as they may, or as late. */
    @ParameterizedTest
    @CsvSource({
        "2, NONE, true, EARLY",
        "2, NONE, false, LATE",
        "2, SELECTIVE, true, LATE",
        "2, SELECTIVE, false, EARLY",
        "2, FULL, true, EARLY",
        "2, FULL, false, LATE",
        "3, FULL, true, LATE"
    })
    void devicesThatGatherAmongThemselvesGiveTheSameBits(
            int ranks, Recompute recompute, boolean doubleQuant, Arrival arrival) {
        FakeGpus gpus = new FakeGpus(arrival);
        TrainingState sharded = train(ranks, nf4(doubleQuant), DROPPING, arguments(ranks, true, recompute), gpus::open);
        assertThat(gpus.groups()).isEqualTo(1);
        TrainingArguments unsharded = arguments(ranks, false, Recompute.NONE);
        assertThat(sharded).isEqualTo(train(ranks, nf4(doubleQuant), DROPPING, unsharded, new FakeGpus(arrival)::open));
    }

    /** Some of a step's gathers have begun on one of them and not on the others: they part, and join again. */
    @Test
    void devicesOfASessionThatFailedJoinAgain() {
        TrainingArguments sharded = arguments(2, true, Recompute.FULL);
        FakeGpus gpus = new FakeGpus(Arrival.LATE);
        List<Device> devices = List.of(gpus.open(0), gpus.open(1));
        List<TrainingSession> sessions = IntStream.range(0, 2)
                .mapToObj(part -> open(devices.get(part), nf4(true), DROPPING, sharded, part))
                .toList();
        List<Ended<StepMetrics>> failed = Ranks.run(2, TIMEOUT, collective -> sessions.get(collective.rank())
                .step(batches(0, collective), Ranks.endingAtWord(collective, 9 + collective.rank())));
        assertThat(failed).allSatisfy(ended -> assertThat(ended.failure()).isNotNull());
        List<Ended<TrainingState>> all = Ranks.run(2, TIMEOUT, collective -> {
            TrainingSession session = sessions.get(collective.rank());
            for (int step = 0; step < STEPS; step++) {
                session.step(batches(step, collective), collective);
            }
            return session.state();
        });
        assertThat(gpus.groups()).isEqualTo(2);
        assertThat(all.get(1).failure()).isNull();
        assertThat(all.get(1).value()).isEqualTo(whole(2, nf4(true), DROPPING));
        sessions.forEach(TrainingSession::close);
        devices.forEach(Device::close);
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.layers.3.self_attn.q_proj", "model.layers.4.mlp.down_proj", "lm_head"})
    void backwardThatEndsAboveTheFirstLayerGathersNoMoreThanItNeeds(String target) {
        requireSameBits(2, nf4(true), lora(4, TargetModules.names(target)), Recompute.SELECTIVE);
    }

    /** Of 5 layers up and 5 down, two are there where backward begins, and two where the next forward does. */
    @Test
    void aLayerThatIsStillInItsImageIsNotGatheredAgain() {
        List<Ended<List<Integer>>> all = Ranks.run(2, TIMEOUT, collective -> {
            AtomicInteger gathers = new AtomicInteger();
            Collective counting = Ranks.beforeGathers(collective, gathers::incrementAndGet);
            TrainingArguments sharded = arguments(2, true, Recompute.FULL);
            List<Integer> counts = new ArrayList<>();
            try (Device device = Devices.open("cpu");
                    TrainingSession session = open(device, nf4(true), DROPPING, sharded, collective.rank())) {
                for (int step = 0; step < STEPS; step++) {
                    session.step(batches(step, collective), counting);
                    counts.add(gathers.getAndSet(0));
                }
            }
            return counts;
        });
        // two micro-batches a step; the second rank has but one and gathers as often
        assertThat(all).allSatisfy(ended -> assertThat(ended.value()).containsExactly(8 + 6, 6 + 6, 6 + 6));
    }

    /** A session stays where it is from one chunk to the next, whichever rank comes there. */
    @Test
    void anyRankMayHaveAnyPart() {
        int ranks = 3;
        TrainingArguments sharded = arguments(ranks, true, Recompute.NONE);
        List<Device> devices =
                IntStream.range(0, ranks).mapToObj(i -> Devices.open("cpu")).toList();
        List<TrainingSession> sessions = IntStream.range(0, ranks)
                .mapToObj(part -> open(devices.get(part), nf4(true), DROPPING, sharded, part))
                .toList();
        for (int step = 0; step < STEPS; step++) {
            int now = step;
            List<Ended<StepMetrics>> all =
                    Ranks.run(ranks, TIMEOUT, collective -> sessions.get((collective.rank() + now) % ranks)
                            .step(batches(now, collective), collective));
            assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        }
        TrainingState expected = whole(ranks, nf4(true), DROPPING);
        for (int part = 0; part < ranks; part++) {
            assertThat(sessions.get(part).state()).isEqualTo(expected);
            sessions.get(part).close();
            devices.get(part).close();
        }
    }

    @Test
    void aRankThatEndsInAGatherIsNamedByAllOthers() {
        List<Ended<TrainingState>> all = Ranks.run(4, TIMEOUT, collective -> {
            Collective mine = collective.rank() == 2 ? Ranks.endingAtGather(collective, 4) : collective;
            TrainingArguments sharded = arguments(4, true, Recompute.NONE);
            try (Device device = Devices.open("cpu");
                    TrainingSession session = open(device, nf4(true), DROPPING, sharded, collective.rank())) {
                TrainingState before = session.state();
                assertThatThrownBy(() -> session.step(batches(0, collective), mine))
                        .satisfies(e -> {
                            if (collective.rank() != 2) {
                                assertThat(e)
                                        .isInstanceOfSatisfying(QLoraException.class, lost -> assertThat(lost.kind())
                                                .isEqualTo(Kind.RANK_LOST))
                                        .hasMessageStartingWith("QLORA-T101: rank 2 (localhost:")
                                        .hasMessageContaining("(step 1, run r1, chunk 3, attempt 1)");
                            }
                        });
                return session.state().equals(before) ? before : null;
            }
        });
        assertThat(all).allSatisfy(ended -> {
            assertThat(ended.failure()).isNull();
            assertThat(ended.value()).as("nothing has changed").isNotNull();
        });
    }

    /** A session of ranks that failed goes on with others. */
    @Test
    void aSessionGoesOnAfterAFailure() {
        TrainingArguments sharded = arguments(2, true, Recompute.FULL);
        List<Device> devices = List.of(Devices.open("cpu"), Devices.open("cpu"));
        List<TrainingSession> sessions = IntStream.range(0, 2)
                .mapToObj(part -> open(devices.get(part), nf4(true), DROPPING, sharded, part))
                .toList();
        Ranks.run(2, TIMEOUT, collective -> sessions.get(collective.rank())
                .step(batches(0, collective), Ranks.endingAtGather(collective, 3 + collective.rank())));
        List<Ended<TrainingState>> all = Ranks.run(2, TIMEOUT, collective -> {
            TrainingSession session = sessions.get(collective.rank());
            for (int step = 0; step < STEPS; step++) {
                session.step(batches(step, collective), collective);
            }
            return session.state();
        });
        assertThat(all.get(1).value()).isEqualTo(whole(2, nf4(true), DROPPING));
        sessions.forEach(TrainingSession::close);
        devices.forEach(Device::close);
    }

    @Test
    void oneRankAloneNeitherEvaluatesNorGenerates() {
        try (Device device = Devices.open("cpu");
                TrainingSession session = open(device, nf4(true), DROPPING, arguments(2, true, Recompute.NONE), 1)) {
            assertThatThrownBy(() -> session.evaluate(List.of(TestRows.packed(1, 51, 9)), true))
                    .hasMessageStartingWith(
                            "QLORA-T115: evaluation needs the whole base, and this session holds one of 2 parts");
            assertThatThrownBy(session::generator).hasMessageStartingWith("QLORA-T115: generation needs");
        }
    }

    @Test
    void ranksWithTheSamePartAreFoundOut() {
        List<Ended<Void>> all = Ranks.run(2, TIMEOUT, collective -> {
            try (Device device = Devices.open("cpu");
                    TrainingSession session =
                            open(device, nf4(true), DROPPING, arguments(2, true, Recompute.NONE), 1)) {
                session.step(batches(0, collective), collective);
                return null;
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure())
                .hasMessageStartingWith("QLORA-T114: ")
                .hasMessageContaining("no rank holds part 0 of the base, the ranks hold [1, 1]"));
    }
}
