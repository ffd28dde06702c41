// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What peft computes where more is trained than an adapter's two matrices, over a base in NF4, in F32. The references are peft's, made
 * by src/test/python/trained_parts_reference.py.
 */
class PeftVariantsTest {

    private static final double LOSS = 1e-5;
    private static final double GRADIENT = 1e-3;
    private static final double RUN = 1e-4;
    private static final double ADAPTER = 3e-3;
    private static final int STEPS = 12;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({
        "dora, llama",
        "bias-all, qwen2",
        "bias-lora-only, qwen2",
        "save-embeddings, llama",
        "save-norms, qwen3",
        "save-tied, gemma2"
    })
    void lossGradientsTrainingAndAdapterArePefts(String name, String checkpoint) {
        Path reference = Path.of("src/test/resources/peft", name);
        try (ParityModel model = new ParityModel(Path.of("src/test/resources/parity", checkpoint), reference)) {
            Adapter initial = model.adapter("adapter_init");
            try (TrainingSession session = open(model, initial)) {
                double base = session.evaluate(model.rows(), false).mean();
                assertThat(Distance.relative(base, model.floats("base.loss")[0]))
                        .isLessThan(LOSS);
                double loss = session.evaluate(model.rows(), true).mean();
                assertThat(Distance.relative(loss, model.floats("loss")[0])).isLessThan(LOSS);
                gradients(session, model);
                run(session, model);
                Path written = Path.of("target/peft-adapters", name); // for peft_loads_adapter.py
                AdapterFiles.write(session.adapter(), written);
                same(AdapterFiles.read(written), model.adapter("adapter_final"));
            }
        }
    }

    private TrainingSession open(ParityModel model, Adapter initial) {
        TrainingArguments arguments = TrainingArguments.builder()
                .learningRate(5e-3)
                .maxSteps(STEPS)
                .weightDecay(0.01)
                .build();
        TrainingSession session = TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                QuantizationConfig.nf4(ComputeType.F32),
                initial.config(),
                arguments,
                model.tokens());
        session.loadAdapter(initial);
        return session;
    }

    private static void gradients(TrainingSession session, ParityModel model) {
        Map<String, float[]> gradients = Probe.gradients(session, List.of(model.rows()), null);
        assertThat(gradients.keySet()).containsExactlyInAnyOrderElementsOf(model.names("grad."));
        gradients.forEach(
                (tensor, gradient) -> assertThat(Distance.relativeNorm(gradient, model.floats("grad." + tensor)))
                        .as("gradient of " + tensor)
                        .isLessThan(GRADIENT));
    }

    private static void run(TrainingSession session, ParityModel model) {
        for (int step = 0; step < STEPS; step++) {
            StepMetrics metrics = session.step(List.of(model.rows()));
            assertThat(Distance.relative(metrics.loss(), model.floats("train.losses")[step]))
                    .as("loss of step " + step)
                    .isLessThan(RUN);
            assertThat(Distance.relative(metrics.gradNorm(), model.floats("train.grad_norms")[step]))
                    .as("gradient norm of step " + step)
                    .isLessThan(RUN);
        }
    }

    private static void same(Adapter actual, Adapter expected) {
        assertThat(actual.config()).isEqualTo(expected.config());
        assertThat(actual.tensors()).hasSameSizeAs(expected.tensors());
        for (NamedTensor tensor : expected.tensors()) {
            NamedTensor own = actual.tensors().stream()
                    .filter(t -> t.name().equals(tensor.name()))
                    .findFirst()
                    .orElseThrow();
            assertThat(own.shape()).as(tensor.name()).isEqualTo(tensor.shape());
            assertThat(Distance.relativeNorm(ParityModel.floats(own), ParityModel.floats(tensor)))
                    .as(tensor.name())
                    .isLessThan(ADAPTER);
        }
    }
}
