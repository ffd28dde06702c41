// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class OptimizersTest {

    private static final double LR = 1e-2;
    private static final double DECAY = 0.01;
    private static final List<List<PackedRow>> BATCH = List.of(List.of(TestRows.packed(1, 51, 11, 23, 6)));

    /** Of its tensors some have 4,096 elements and more, which 8 bits are for, some fewer. */
    private static final LoraConfig WIDE = LoraConfig.builder()
            .r(128)
            .loraAlpha(128)
            .targetModules(TargetModules.names("q_proj", "v_proj", "down_proj"))
            .build();

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingSession open(TrainingArguments arguments) {
        return TestSessions.open(device, WIDE, arguments);
    }

    private static TrainingArguments arguments(Optim optim) {
        return TrainingArguments.builder()
                .optim(optim)
                .learningRate(LR)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .weightDecay(DECAY)
                .maxSteps(10)
                .build();
    }

    /** The first step from the same parameters and gradients, by the optimizer's formula. */
    @ParameterizedTest
    @EnumSource(
            value = Optim.class,
            names = {"LION_32BIT", "LION_8BIT", "PAGED_LION_8BIT", "SGD"})
    void aStepFollowsTheFormula(Optim optim) {
        try (TrainingSession session = open(arguments(optim))) {
            Map<String, float[]> gradients = Probe.gradients(session, BATCH, null);
            List<NamedTensor> before = session.adapter().tensors();
            StepMetrics metrics = session.step(BATCH);
            double scale = Math.min(1, 1 / metrics.gradNorm());
            List<NamedTensor> after = session.adapter().tensors();
            for (int t = 0; t < before.size(); t++) {
                float[] p = ParityModel.floats(before.get(t));
                float[] q = ParityModel.floats(after.get(t));
                float[] g = gradients.get(before.get(t).name());
                for (int i = 0; i < p.length; i++) {
                    double expected = optim == Optim.SGD
                            ? p[i] - LR * (scale * g[i] + DECAY * p[i])
                            : p[i] * (1 - LR * DECAY) - LR * Math.signum(g[i]);
                    assertThat((double) q[i]).as(before.get(t).name()).isCloseTo(expected, within(1e-7));
                }
            }
        }
    }

    /** One step of LoRA+: A as with its learning rate, B as with the other, bit for bit. */
    @ParameterizedTest
    @EnumSource(Optim.class)
    void theRatioIsOfTheLearningRateOfB(Optim optim) {
        TrainingArguments plain = arguments(optim);
        List<NamedTensor> slow = afterOneStep(plain);
        List<NamedTensor> fast =
                afterOneStep(plain.toBuilder().learningRate(LR * 4).build());
        List<NamedTensor> both =
                afterOneStep(plain.toBuilder().loraplusLrRatio(4).build());
        for (int i = 0; i < both.size(); i++) {
            boolean a = both.get(i).name().contains("lora_A");
            assertThat(both.get(i))
                    .isEqualTo(a ? slow.get(i) : fast.get(i))
                    .isNotEqualTo(a ? fast.get(i) : slow.get(i));
        }
    }

    private List<NamedTensor> afterOneStep(TrainingArguments arguments) {
        try (TrainingSession session = open(arguments)) {
            // from an adapter whose B is not zero, else A gets no gradient
            List<NamedTensor> filled = session.adapter().tensors().stream()
                    .map(OptimizersTest::filled)
                    .toList();
            session.loadAdapter(new Adapter(session.adapter().config(), null, filled));
            session.step(BATCH);
            return session.adapter().tensors();
        }
    }

    private static NamedTensor filled(NamedTensor like) {
        Random random = new Random(like.name().hashCode());
        ByteBuffer bytes = ByteBuffer.allocate(like.data().length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            bytes.putFloat((float) (0.1 * random.nextGaussian()));
        }
        return new NamedTensor(like.name(), like.dtype(), like.shape(), bytes.array());
    }

    @ParameterizedTest
    @EnumSource(
            value = Optim.class,
            names = {"LION_32BIT", "LION_8BIT", "PAGED_LION_32BIT", "PAGED_LION_8BIT", "SGD", "ADAMW_8BIT"})
    void aRestoredRunGoesOnBitForBit(Optim optim) {
        TrainingArguments arguments =
                arguments(optim).toBuilder().loraplusLrRatio(2).build();
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open(arguments)) {
            session.step(BATCH);
            half = session.state();
            session.step(BATCH);
            whole = session.state();
        }
        try (TrainingSession session = open(arguments)) {
            session.restore(half);
            session.step(BATCH);
            assertThat(session.state()).isEqualTo(whole);
        }
        String names = half.tensors().toString();
        assertThat(names.contains("exp_avg.")).isEqualTo(optim.rule().moments() > 0);
        assertThat(names.contains("exp_avg_sq.")).isEqualTo(optim.rule().moments() > 1);
        assertThat(names.contains("exp_avg_absmax.")).isEqualTo(optim.in8bit());
    }

    @Test
    void everyNameOfTransformersIsAnOptimizer() {
        assertThat(Optim.names())
                .contains("adamw_torch", "adamw_torch_fused", "adamw_bnb_8bit", "lion_8bit", "paged_lion_32bit", "sgd");
        Optim.names().forEach(name -> assertThat(Optim.named(name)).isNotNull());
        assertThat(Optim.named("adamw_torch_fused")).isEqualTo(Optim.ADAMW_TORCH);
        assertThatThrownBy(() -> Optim.named("adafactor")).hasMessageContaining("optim is adafactor, expected one of");
    }
}
