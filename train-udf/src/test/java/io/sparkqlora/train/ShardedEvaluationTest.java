// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.FakeGpus.Arrival;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.time.Duration;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Ranks that each keep a part of the base measure what one with all of it does, bit for bit, and train on as if they had not. */
class ShardedEvaluationTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final QuantizationConfig NF4 = ShardedBaseTest.nf4(true, ComputeType.F32);

    /** More than fit into one micro-batch of the session. */
    private static final List<PackedRow> ROWS = IntStream.range(0, 5)
            .mapToObj(i -> TestRows.packed(900 + i, 51, 17, 11 + i))
            .toList();

    /**
     * What a rank saw.
     *
     * @param state after a step, evaluations, and another step
     */
    private record Seen(LossSum tuned, LossSum base, TrainingState state) {}

    private static Seen run(TrainingSession session, Collective collective, List<PackedRow> rows) {
        session.step(ShardedBaseTest.batches(0, collective), collective);
        LossSum tuned = session.evaluate(rows, true, collective);
        LossSum base = session.evaluate(rows, false, collective);
        session.step(ShardedBaseTest.batches(1, collective), collective);
        session.requireSameOnAllRanks(collective);
        return new Seen(tuned, base, session.state());
    }

    private static List<Seen> run(
            int ranks, boolean sharded, IntFunction<Device> devices, IntFunction<List<PackedRow>> rowsOfRank) {
        TrainingArguments arguments = ShardedBaseTest.arguments(ranks, sharded, Recompute.SELECTIVE);
        List<Ended<Seen>> all = Ranks.run(ranks, TIMEOUT, collective -> {
            int rank = collective.rank();
            try (Device device = devices.apply(rank);
                    TrainingSession session = ShardedBaseTest.open(
                            device, NF4, ShardedBaseTest.DROPPING, arguments, sharded ? rank : 0)) {
                return run(session, collective, rowsOfRank.apply(rank));
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.stream().map(Ended::value).toList();
    }

    /** Of sessions with the whole base, which measure alone. */
    private static Seen whole(int ranks) {
        TrainingArguments arguments = ShardedBaseTest.arguments(ranks, false, Recompute.SELECTIVE);
        List<Ended<Seen>> all = Ranks.run(ranks, TIMEOUT, collective -> {
            try (Device device = Devices.open("cpu");
                    TrainingSession session =
                            ShardedBaseTest.open(device, NF4, ShardedBaseTest.DROPPING, arguments, 0)) {
                session.step(ShardedBaseTest.batches(0, collective), collective);
                LossSum tuned = session.evaluate(ROWS, true);
                LossSum base = session.evaluate(ROWS, false);
                session.step(ShardedBaseTest.batches(1, collective), collective);
                return new Seen(tuned, base, session.state());
            }
        });
        return all.get(0).value();
    }

    private static List<PackedRow> atTheFirst(int rank) {
        return rank == 0 ? ROWS : List.of();
    }

    @ParameterizedTest
    @CsvSource({"2, true", "3, true", "2, false"})
    void theLossOfOneRanksRowsIsThatOfAWholeBase(int ranks, boolean sharded) {
        Seen whole = whole(ranks);
        assertThat(whole.tuned()).isNotEqualTo(whole.base());
        assertThat(run(ranks, sharded, rank -> Devices.open("cpu"), ShardedEvaluationTest::atTheFirst))
                .allSatisfy(seen -> assertThat(seen).isEqualTo(whole));
    }

    @ParameterizedTest
    @EnumSource(Arrival.class)
    void devicesThatGatherAmongThemselvesMeasureTheSame(Arrival arrival) {
        assertThat(run(2, true, new FakeGpus(arrival)::open, ShardedEvaluationTest::atTheFirst))
                .allSatisfy(seen -> {
                    assertThat(seen.tuned()).isEqualTo(whole(2).tuned());
                    assertThat(seen.base()).isEqualTo(whole(2).base());
                });
    }

    /** The rank that has one batch takes part in the passes of the one that has more. */
    @Test
    void rowsOfSeveralRanksAreAddedInTheirOrder() {
        List<List<PackedRow>> parts = List.of(ROWS.subList(0, 1), ROWS.subList(1, 5));
        List<Seen> seen = run(2, true, rank -> Devices.open("cpu"), parts::get);
        TrainingArguments arguments = ShardedBaseTest.arguments(1, false, Recompute.SELECTIVE);
        try (Device device = Devices.open("cpu");
                TrainingSession session = ShardedBaseTest.open(device, NF4, ShardedBaseTest.DROPPING, arguments, 0)) {
            LossSum sum = session.evaluate(parts.get(0), false).plus(session.evaluate(parts.get(1), false));
            assertThat(seen).allSatisfy(each -> assertThat(each.base()).isEqualTo(sum));
        }
    }

    /** A row that can't be used is told by all ranks, and the sessions go on with others. */
    @Test
    void whatFailsForOneRankFailsForAllAndNothingIsChanged() {
        TrainingArguments arguments = ShardedBaseTest.arguments(2, true, Recompute.SELECTIVE);
        List<Device> devices = List.of(Devices.open("cpu"), Devices.open("cpu"));
        List<TrainingSession> sessions = IntStream.range(0, 2)
                .mapToObj(
                        part -> ShardedBaseTest.open(devices.get(part), NF4, ShardedBaseTest.DROPPING, arguments, part))
                .toList();
        PackedRow bad = PackedRow.single(7, new int[] {1, 2, 999}, new int[] {1, 2, 3});
        List<Ended<LossSum>> failed = Ranks.run(2, TIMEOUT, collective -> sessions.get(collective.rank())
                .evaluate(collective.rank() == 0 ? List.of(bad) : List.of(), true, collective));
        assertThat(failed).allSatisfy(ended -> assertThat(ended.failure()).hasMessageContaining("999"));
        List<Ended<Seen>> all = Ranks.run(
                2,
                TIMEOUT,
                collective -> run(sessions.get(collective.rank()), collective, atTheFirst(collective.rank())));
        assertThat(all).allSatisfy(ended -> assertThat(ended.value()).isEqualTo(whole(2)));
        sessions.forEach(TrainingSession::close);
        devices.forEach(Device::close);
    }
}
