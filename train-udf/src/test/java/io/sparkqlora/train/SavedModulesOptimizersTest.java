// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static io.sparkqlora.train.SavedModules.EMBEDDING;
import static io.sparkqlora.train.SavedModules.EVERYTHING;
import static io.sparkqlora.train.SavedModules.HEAD;
import static io.sparkqlora.train.SavedModules.NF4;
import static io.sparkqlora.train.SavedModules.TOKENS;
import static io.sparkqlora.train.SavedModules.lora;
import static io.sparkqlora.train.SavedModules.saved;
import static io.sparkqlora.train.SavedModules.steps;
import static io.sparkqlora.train.SavedModules.tensor;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What optimizers make of modules that are trained whole. */
class SavedModulesOptimizersTest {

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final Checkpoint llama = SavedModules.checkpoint("llama");

    @AfterEach
    void close() {
        llama.close();
        device.close();
    }

    private TrainingSession open(TrainingArguments arguments) {
        return TrainingSession.open(device, llama.config(), llama.weights(), NF4, lora(EVERYTHING), arguments, TOKENS);
    }

    @Test
    void normsAreNotDecayed() {
        TrainingArguments none =
                TestSessions.ARGUMENTS.toBuilder().weightDecay(0).build();
        TrainingArguments much =
                TestSessions.ARGUMENTS.toBuilder().weightDecay(0.5).build();
        try (TrainingSession plain = open(none);
                TrainingSession decayed = open(much)) {
            steps(plain, 0, 1);
            steps(decayed, 0, 1);
            Adapter other = decayed.adapter();
            for (NamedTensor tensor : plain.adapter().tensors()) {
                boolean spared =
                        tensor.name().endsWith("norm.weight") || tensor.name().contains("lora_B");
                assertThat(tensor(other, tensor.name()).equals(tensor))
                        .as(tensor.name())
                        .isEqualTo(spared);
            }
        }
    }

    /** As peft's optimizer for LoRA+: what has one dimension is with the Bs, matrices are with the As. */
    @Test
    void theRatioOfLoraPlusIsOfNorms() {
        TrainingArguments plain = TestSessions.ARGUMENTS.toBuilder()
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .weightDecay(0)
                .build();
        Adapter slow = afterOneStep(plain);
        Adapter both = afterOneStep(plain.toBuilder().loraplusLrRatio(4).build());
        for (String name : saved(slow)) {
            assertThat(tensor(both, name).equals(tensor(slow, name)))
                    .as(name)
                    .isEqualTo(name.equals(EMBEDDING) || name.equals(HEAD));
        }
    }

    private Adapter afterOneStep(TrainingArguments arguments) {
        try (TrainingSession session = open(arguments)) {
            steps(session, 0, 1);
            return session.adapter();
        }
    }

    /** bitsandbytes' optimizers in 8 bits keep the moments of an embedding in 32, since transformers tells them to. */
    @ParameterizedTest
    @EnumSource(Optim.class)
    void everyOptimizerTrainsThemAndGoesOnBitForBit(Optim optim) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().optim(optim).build();
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open(arguments)) {
            Adapter fresh = session.adapter();
            half = steps(session, 0, 2);
            whole = steps(session, 2, 3);
            for (String name : saved(fresh)) {
                assertThat(tensor(session.adapter(), name)).as(name).isNotEqualTo(tensor(fresh, name));
            }
        }
        try (TrainingSession session = open(arguments)) {
            session.restore(half);
            assertThat(steps(session, 2, 3)).isEqualTo(whole);
        }
        for (NamedTensor moment : half.tensors()) {
            if (moment.name().equals(TrainingState.EXP_AVG + EMBEDDING)) {
                assertThat(moment.dtype()).isEqualTo(DType.F32);
            } else if (moment.name().equals(TrainingState.EXP_AVG + HEAD)) {
                assertThat(moment.dtype()).isEqualTo(optim.in8bit() ? DType.U8 : DType.F32);
            }
        }
    }
}
