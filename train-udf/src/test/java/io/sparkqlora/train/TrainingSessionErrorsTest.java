// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TrainingSessionErrorsTest {

    private static final PackedRow ROW = TestRows.packed(1, 51, 11, 23, 6);

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private TrainingSession session;

    @BeforeEach
    void open() {
        session = TestSessions.open(device, TestSessions.LORA, TestSessions.ARGUMENTS);
    }

    @AfterEach
    void close() {
        session.close();
        device.close();
    }

    @Test
    void divergenceLeavesEverythingAsItWas() {
        step();
        TrainingState before = poisoned(session.state());
        session.restore(before);
        assertThatThrownBy(this::step)
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(QLoraException.Kind.DIVERGED))
                .hasMessageMatching("QLORA-T060: step 2 gave loss NaN and gradient norm \\S+ at learning rate 0.0095;"
                        + " the adapter is kept as it was before: lower learning_rate, .*");
        assertThat(session.state()).isEqualTo(before);
    }

    /** A state with one parameter that is no number. */
    private static TrainingState poisoned(TrainingState state) {
        List<NamedTensor> tensors = new ArrayList<>(state.tensors());
        NamedTensor first = tensors.get(1);
        byte[] data = first.data().clone();
        ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, Float.NaN);
        tensors.set(1, new NamedTensor(first.name(), DType.F32, first.shape(), data));
        return new TrainingState(state.step(), tensors);
    }

    @Test
    void aTokenOutsideTheVocabularyIsNamed() {
        int[] ids = {3, 51, 4};
        int[] labels = {3, -100, 4};
        assertThatThrownBy(() -> session.step(List.of(List.of(PackedRow.single(9, ids, labels)))))
                .hasMessage("QLORA-T059: row 9 has 51 in input_ids, the model's vocab_size is 51; tokenizer and model"
                        + " do not belong together: tokenize with the model's own");
    }

    @Test
    void aStepWithoutCountedTokensIsRefused() {
        int[] ids = {3, 4, 5};
        int[] labels = {3, -100, -100};
        assertThatThrownBy(() -> session.step(List.of(List.of(PackedRow.single(9, ids, labels)))))
                .hasMessageStartingWith("QLORA-T061: step 1 has 3 tokens of which none counts for the loss");
    }

    @Test
    void tooLongAMicroBatchIsRefused() {
        assertThatThrownBy(() -> session.step(List.of(List.of(ROW, ROW, ROW))))
                .hasMessageStartingWith("QLORA-T062: a micro-batch has 120 tokens, buffers were made for 96");
        int[] ids = new int[97];
        Arrays.fill(ids, 5);
        assertThatThrownBy(() -> session.evaluate(List.of(PackedRow.single(4, ids, ids)), true))
                .hasMessageStartingWith("QLORA-T062: row 4 has 97 tokens");
    }

    @Test
    void aRowWhosePartsDisagreeIsRefused() {
        assertThatThrownBy(() -> new PackedRow(6, new int[3], new int[3], new int[] {1, 1}))
                .hasMessageStartingWith(
                        "QLORA-T052: row 6 has 3 input_ids, 3 labels and sequence_lengths [1, 1]; the first two");
    }

    @Test
    void aStepNeedsToKnowHowManyThereWillBe() {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().maxSteps(-1).build();
        try (TrainingSession other = TestSessions.open(device, TestSessions.LORA, arguments)) {
            assertThatThrownBy(() -> other.step(List.of(List.of(ROW))))
                    .hasMessageStartingWith("QLORA-T063: max_steps is -1");
            assertThat(other.evaluate(List.of(ROW), true).numTargetTokens()).isPositive();
        }
    }

    @Test
    void anAdapterOfOtherShapeScalingOrTargetsIsRefused() {
        Adapter adapter = session.adapter();
        LoraConfig half = LoraConfig.builder()
                .r(4)
                .loraAlpha(4)
                .targetModules(TargetModules.allLinear())
                .build();
        assertThatThrownBy(() -> session.loadAdapter(new Adapter(half, null, adapter.tensors())))
                .hasMessageStartingWith("QLORA-T055: the adapter does not fit this run: its scaling of "
                        + "model.layers.0.self_attn.q_proj is 1.0, expected 2.0");
        List<NamedTensor> fewer = adapter.tensors().subList(1, adapter.tensors().size());
        assertThatThrownBy(() -> session.loadAdapter(new Adapter(adapter.config(), null, fewer)))
                .hasMessageContaining("model.layers.0.self_attn.q_proj.lora_A.weight is missing");
        NamedTensor tensor = adapter.tensors().get(0);
        List<NamedTensor> reshaped = new ArrayList<>(adapter.tensors());
        reshaped.set(0, new NamedTensor(tensor.name(), DType.F32, new long[] {32, 4}, tensor.data()));
        assertThatThrownBy(() -> session.loadAdapter(new Adapter(adapter.config(), null, reshaped)))
                .hasMessageContaining("F32 [32, 4], expected F32 [4, 32]");
        List<NamedTensor> more = new ArrayList<>(adapter.tensors());
        more.add(new NamedTensor("base_model.model.other", DType.F32, new long[] {1}, new byte[4]));
        assertThatThrownBy(() -> session.loadAdapter(new Adapter(adapter.config(), null, more)))
                .hasMessageContaining("base_model.model.other is a layer that gets no adapter here");
    }

    @Test
    void valuesOutOfRangeAreNamed() {
        assertThatThrownBy(() -> LoraConfig.builder().r(0).build())
                .hasMessage("QLORA-T050: r is 0, expected at least 1; correct it in the job file");
        assertThatThrownBy(() -> LoraConfig.builder().loraDropout(1).build())
                .hasMessageStartingWith("QLORA-T050: lora_dropout is 1.0");
        assertThatThrownBy(() ->
                        TrainingArguments.builder().learningRate(Double.NaN).build())
                .hasMessageStartingWith("QLORA-T050: learning_rate is NaN");
        assertThatThrownBy(() -> TrainingArguments.builder().maxSteps(0).build())
                .hasMessageStartingWith("QLORA-T050: max_steps is 0, expected at least 1, or -1");
    }

    private void step() {
        session.step(List.of(List.of(ROW)));
    }
}
