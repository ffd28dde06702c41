// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The written backward is the derivative of the written forward: for each tensor of an adapter, the change of the loss along
 * its gradient is the gradient's norm.
 */
class GradientTest {

    private static final double STEP = 2e-3;
    private static final double TOLERANCE = 0.01;
    private static final DropoutMasks.Draw DROPOUT = new DropoutMasks.Draw(0.2f, 0f, 11, 3, 1);
    private static final DropoutMasks.Draw NOISE = new DropoutMasks.Draw(0f, 5f, 11, 3, 1);
    private static final TrainingArguments SMOOTHED =
            TestSessions.ARGUMENTS.toBuilder().labelSmoothingFactor(0.2).build();
    private static final List<List<PackedRow>> BATCH = List.of(
            List.of(TestRows.packed(1, 51, 13, 2, 20), TestRows.packed(2, 51, 17)),
            List.of(TestRows.packed(3, 51, 1, 25)));

    static Stream<Arguments> adapters() {
        return Stream.of(
                Arguments.of("all linear layers", TargetModules.allLinear(), null),
                Arguments.of("all linear layers, dropout", TargetModules.allLinear(), DROPOUT),
                Arguments.of("all linear layers, noise on embeddings", TargetModules.allLinear(), NOISE),
                Arguments.of("parts of groups", TargetModules.names("k_proj", "up_proj"), null),
                Arguments.of("parts of groups, dropout", TargetModules.names("q_proj", "v_proj", "up_proj"), DROPOUT),
                Arguments.of(
                        "the upper layer only",
                        TargetModules.of(".*layers\\.1\\.(self_attn\\.q|mlp\\.down)_proj"),
                        null),
                Arguments.of("the output projection too", TargetModules.names("lm_head", "o_proj"), DROPOUT));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("adapters")
    void gradientIsTheLossesDerivative(String name, TargetModules targets, DropoutMasks.Draw masks) {
        check(lora(targets, masks).build(), masks);
    }

    /** In a group of layers that read one input, two are alike in rank and scale, and one is not. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void soItIsWhereModulesDifferInRankAndScale(boolean dropped) {
        DropoutMasks.Draw masks = dropped ? DROPOUT : null;
        LoraConfig.Builder lora = lora(TargetModules.allLinear(), masks)
                .rankPattern(ModulePattern.of(Map.of("v_proj", 5)))
                .alphaPattern(ModulePattern.of(Map.of("up_proj", 2)));
        check(lora.build(), masks);
    }

    private static LoraConfig.Builder lora(TargetModules targets, DropoutMasks.Draw masks) {
        return LoraConfig.builder().r(3).loraAlpha(6).targetModules(targets).loraDropout(masks == null ? 0 : masks.p());
    }

    private static void check(LoraConfig lora, DropoutMasks.Draw masks) {
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
                TrainingSession session = TestSessions.open(device, lora, SMOOTHED)) {
            Adapter adapter = randomized(session.adapter());
            session.loadAdapter(adapter);
            Map<String, float[]> gradients = Probe.gradients(session, BATCH, masks);
            assertThat(gradients).hasSize(adapter.tensors().size());
            for (Map.Entry<String, float[]> gradient : gradients.entrySet()) {
                double norm = norm(gradient.getValue());
                assertThat(norm).as(gradient.getKey()).isPositive();
                double up = loss(session, adapter, gradient, STEP / norm, masks);
                double down = loss(session, adapter, gradient, -STEP / norm, masks);
                double slope = (up - down) / (2 * STEP);
                assertThat(slope).as(gradient.getKey()).isCloseTo(norm, within(TOLERANCE * norm + 2e-4));
            }
        }
    }

    private static double loss(
            TrainingSession session,
            Adapter adapter,
            Map.Entry<String, float[]> gradient,
            double step,
            DropoutMasks.Draw masks) {
        session.loadAdapter(moved(adapter, gradient.getKey(), gradient.getValue(), step));
        return Probe.accumulate(session, BATCH, masks);
    }

    /** An adapter whose B is not zero, so that every gradient is something. */
    private static Adapter randomized(Adapter adapter) {
        Random random = new Random(5);
        List<NamedTensor> tensors = new ArrayList<>();
        for (NamedTensor tensor : adapter.tensors()) {
            float[] values = ParityModel.floats(tensor);
            for (int i = 0; i < values.length; i++) {
                values[i] += (float) (random.nextGaussian() * 0.1);
            }
            tensors.add(tensor(tensor, values));
        }
        return new Adapter(adapter.config(), null, tensors);
    }

    private static Adapter moved(Adapter adapter, String name, float[] direction, double step) {
        List<NamedTensor> tensors = new ArrayList<>();
        for (NamedTensor tensor : adapter.tensors()) {
            float[] values = ParityModel.floats(tensor);
            for (int i = 0; i < values.length && tensor.name().equals(name); i++) {
                values[i] += (float) (step * direction[i]);
            }
            tensors.add(tensor(tensor, values));
        }
        return new Adapter(adapter.config(), null, tensors);
    }

    private static NamedTensor tensor(NamedTensor like, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new NamedTensor(like.name(), DType.F32, like.shape(), bytes.array());
    }

    private static double norm(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += (double) value * value;
        }
        return Math.sqrt(sum);
    }
}
