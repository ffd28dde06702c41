// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What fails about one adapter stays with it. */
class MultiAdapterFailuresTest {

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private MultiAdapterSession session;

    @BeforeEach
    void open() {
        session = TestTenants.open(device, TestSessions.LORA, TestTenants.arguments(0));
        start();
    }

    private void start() {
        for (int slot = 0; slot < TestTenants.COUNT; slot++) {
            session.start(slot, TestTenants.arguments(slot));
        }
    }

    @AfterEach
    void close() {
        session.close();
        device.close();
    }

    /** States after a good step and one more of some slots. */
    private List<TrainingState> afterTwoSteps(int... second) {
        start();
        session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
        session.step(TestTenants.together(1, second)).values().forEach(SlotOutcome::orThrow);
        return states();
    }

    private List<TrainingState> states() {
        return List.of(session.state(0), session.state(1), session.state(2));
    }

    private static SlotOutcome failed(Map<Integer, SlotOutcome> outcomes, int slot, Kind kind, String message) {
        SlotOutcome outcome = outcomes.get(slot);
        assertThat(outcome.metrics()).isNull();
        assertThat(outcome.failure().kind()).isEqualTo(kind);
        assertThat(outcome.failure()).hasMessageStartingWith(message);
        assertThatThrownBy(outcome::orThrow).isSameAs(outcome.failure());
        outcomes.forEach((other, o) -> assertThat(o.failure() == null).isEqualTo(other != slot));
        return outcome;
    }

    /** Its rows never come near the others': these make the steps of a call without it, bit for bit. */
    @Test
    void badRowsOfOneLeaveTheOthersBitForBit() {
        List<TrainingState> without = afterTwoSteps(0, 2);
        start();
        session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
        TrainingState before = session.state(1);
        Map<Integer, List<List<PackedRow>>> rows = TestTenants.together(1, 0, 1, 2);
        rows.put(1, List.of(List.of(PackedRow.single(9, new int[] {3, 51, 4}, new int[] {3, -100, 4}))));
        failed(session.step(rows), 1, Kind.INPUT, "QLORA-T059: row 9 has 51 in input_ids");
        assertThat(states()).isEqualTo(without);
        assertThat(session.state(1)).isEqualTo(before);
    }

    @Test
    void everyReasonIsTheOneThatTheAdapterAloneWouldGive() {
        PackedRow uncounted = PackedRow.single(9, new int[] {3, 4}, new int[] {3, -100});
        PackedRow tooLong = PackedRow.single(9, new int[97], new int[97]);
        failed(with(List.of(List.of(uncounted))), 1, Kind.INPUT, "QLORA-T061: step 1 has 2 tokens of which none");
        failed(with(List.of(List.of(tooLong))), 1, Kind.CONFIG, "QLORA-T062: a micro-batch has 97 tokens");
        failed(with(List.of()), 1, Kind.INPUT, "QLORA-T061: step 1 has 0 tokens");
        session.start(1, TestTenants.arguments(1).withMaxSteps(-1));
        failed(with(TestTenants.rows(1, 0)), 1, Kind.CONFIG, "QLORA-T063: max_steps is -1");
        assertThat(session.stepsDone(1)).isZero();
        assertThat(session.stepsDone(0)).isEqualTo(4);
    }

    private Map<Integer, SlotOutcome> with(List<List<PackedRow>> rows) {
        return session.step(Map.of(0, TestTenants.rows(0, 0), 1, rows));
    }

    /** Its rows are beside the others' until its loss is known. What is no number stays in its rows and its sums. */
    @Test
    void oneThatDivergesLeavesTheOthersBitForBit() {
        List<TrainingState> sane = afterTwoSteps(0, 1, 2);
        start();
        session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
        TrainingState poisoned = poisoned(session.state(1));
        session.restore(1, poisoned);
        SlotOutcome outcome = failed(
                session.step(TestTenants.together(1, 0, 1, 2)), 1, Kind.DIVERGED, "QLORA-T060: step 2 gave loss NaN");
        assertThat(outcome.failure()).hasMessageContaining("at learning rate 0.005;");
        assertThat(session.state(0)).isEqualTo(sane.get(0));
        assertThat(session.state(2)).isEqualTo(sane.get(2));
        assertThat(session.state(1)).isEqualTo(poisoned);
        assertThat(session.stepsDone(1)).isEqualTo(1);
    }

    /** Even where it does not stay there: whoever was hit makes the step that its rows alone make. */
    @Test
    void aNeighbourThatIsHitIsTriedAgainAlone() {
        session.close();
        session = TestTenants.open(LeakyAttention.on(device), TestSessions.LORA, TestTenants.arguments(0));
        start();
        session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
        List<TrainingState> before = states();
        for (int slot : new int[] {0, 2}) {
            session.step(TestTenants.together(1, slot)).get(slot).orThrow();
        }
        List<TrainingState> alone = states();
        session.restore(0, before.get(0));
        session.restore(1, poisoned(before.get(1)));
        session.restore(2, before.get(2));
        failed(session.step(TestTenants.together(1, 0, 1, 2)), 1, Kind.DIVERGED, "QLORA-T060: step 2 gave loss NaN");
        assertThat(session.state(0)).isEqualTo(alone.get(0));
        assertThat(session.state(2)).isEqualTo(alone.get(2));
    }

    /** A state with a parameter that is no number. */
    private static TrainingState poisoned(TrainingState state) {
        List<NamedTensor> tensors = new ArrayList<>(state.tensors());
        NamedTensor b = tensors.get(1);
        byte[] data = b.data().clone();
        ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, Float.NaN);
        tensors.set(1, new NamedTensor(b.name(), DType.F32, b.shape(), data));
        return new TrainingState(state.step(), tensors);
    }

    @Test
    void whatTheMemoryIsMadeForIsTheSessions() {
        TrainingArguments other =
                TestTenants.arguments(1).toBuilder().optim(Optim.ADAMW_8BIT).build();
        assertThatThrownBy(() -> session.start(1, other))
                .hasMessage("QLORA-T070: the adapter of slot 1 asks for optim adamw_8bit, its session has adamw_torch;"
                        + " adapters that are trained together have one optim: set it alike for all, or train this one"
                        + " in a session of its own");
        TrainingArguments full =
                TestTenants.arguments(1).toBuilder().recompute(Recompute.FULL).build();
        assertThatThrownBy(() -> session.start(1, full)).hasMessageContaining("asks for recompute full");
        TrainingArguments ranks =
                TestTenants.arguments(1).toBuilder().numProcesses(2).build();
        assertThatThrownBy(() -> session.start(1, ranks))
                .isInstanceOf(QLoraException.class)
                .hasMessageStartingWith("QLORA-T071: num_processes is 2, but adapters that are trained together");
        assertThat(session.stepsDone(1)).isZero(); // what was there is still there
    }

    @Test
    void slotsThatAreNotThereAreTheCallersFault() {
        assertThatThrownBy(() -> session.start(3, TestTenants.arguments(0))).hasMessage("slot 3 of 3");
        try (MultiAdapterSession fresh = TestTenants.open(device, TestSessions.LORA, TestTenants.arguments(0))) {
            assertThatThrownBy(() -> fresh.step(TestTenants.together(0, 1)))
                    .hasMessage("slot 1 has no adapter: start comes first");
            assertThatThrownBy(() -> fresh.state(1)).hasMessageStartingWith("slot 1 has no adapter");
        }
    }
}
