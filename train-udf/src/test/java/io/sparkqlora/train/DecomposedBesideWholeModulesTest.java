// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A base that is taken apart beside modules that are trained whole: these are the base's where the adapter is as it began. */
class DecomposedBesideWholeModulesTest {

    @Test
    void theBaseAloneHasItsOwnModulesAndTheConvertedAdapterTheTrained() {
        QuantizationConfig dense = QuantizationConfig.dense(ComputeType.F32);
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .targetModules(TargetModules.names("q_proj", "down_proj"))
                .initLoraWeights(InitLoraWeights.PISSA)
                .modulesToSave(List.of("norm", "lm_head"))
                .build();
        TrainingArguments arguments =
                TrainingArguments.builder().learningRate(5e-3).maxSteps(4).build();
        Path parity = Path.of("src/test/resources/parity/llama");
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
                ParityModel model = new ParityModel(parity, Path.of("src/test/resources/decomposed/pissa"));
                TrainingSession session = open(device, model, dense, lora, arguments)) {
            for (int i = 0; i < 4; i++) {
                session.step(List.of(model.rows()));
            }
            double trained = session.evaluate(model.rows(), true).mean();
            double base = model.floats("base.loss")[0];
            assertThat(trained).isLessThan(0.99 * base);
            assertThat(Distance.relative(session.evaluate(model.rows(), false).mean(), base))
                    .isLessThan(1e-5);
            assertThat(session.evaluate(model.rows(), true).mean()).isEqualTo(trained);

            Adapter converted = OriginalBase.adapter(device, model.checkpoint(), dense, session.adapter());
            assertThat(converted.config().modulesToSave()).isEqualTo(lora.modulesToSave());
            try (TrainingSession beside = open(device, model, dense, converted.config(), arguments)) {
                beside.loadAdapter(converted);
                assertThat(Distance.relative(beside.evaluate(model.rows(), true).mean(), trained))
                        .isLessThan(1e-5);
            }
        }
    }

    private static TrainingSession open(
            Device device, ParityModel model, QuantizationConfig held, LoraConfig lora, TrainingArguments arguments) {
        return TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                held,
                lora,
                arguments,
                model.tokens());
    }
}
