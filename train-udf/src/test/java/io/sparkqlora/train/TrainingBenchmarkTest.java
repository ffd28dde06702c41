// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TrainingBenchmarkTest {

    /** Big enough that a step takes more than reading the checkpoint does. */
    private static final ModelConfig MODEL = ModelConfig.parse(
            """
            {"model_type": "llama", "hidden_size": 192, "intermediate_size": 320, "num_hidden_layers": 3,
             "num_attention_heads": 6, "num_key_value_heads": 2, "vocab_size": 1003, "max_position_embeddings": 4096}
            """,
            "bench");

    private static final Optim OPTIM = Optim.PAGED_ADAMW_8BIT;

    private static TrainingBenchmark benchmark(
            ModelConfig model, QuantizationConfig quantization, Recompute recompute, int seq, int batch) {
        return benchmark(model, quantization, recompute, seq, batch, 1, 0);
    }

    private static TrainingBenchmark benchmark(
            ModelConfig model,
            QuantizationConfig quantization,
            Recompute recompute,
            int seq,
            int batch,
            int adapters,
            double dropout) {
        return new TrainingBenchmark(
                model,
                quantization,
                seq,
                batch,
                2,
                4,
                adapters,
                dropout,
                TargetModules.allLinear(),
                recompute,
                OPTIM,
                2,
                1,
                42);
    }

    @ParameterizedTest
    @CsvSource({
        "BF16, NONE, 150, 2, 1, 0, true",
        "BF16, SELECTIVE, 200, 2, 1, 0.1, true",
        "BF16, SELECTIVE, 60, 6, 3, 0.1, true",
        "F32, FULL, 200, 2, 1, 0.1, true",
        "F32, SELECTIVE, 4, 1, 1, 0, false"
    })
    void theMemoryPlanIsWhatTheDeviceSays(
            ComputeType compute,
            Recompute recompute,
            int seq,
            int batch,
            int adapters,
            double dropout,
            boolean stepBeyondLoading) {
        TrainingBenchmark benchmark =
                benchmark(MODEL, QuantizationConfig.nf4(compute), recompute, seq, batch, adapters, dropout);
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"))) {
            TrainingBenchmark.Result result = benchmark.run(device);
            MemoryPlan plan = benchmark.plan(device.traits());
            assertThat(result.peakBytes()).isEqualTo(plan.total());
            assertThat(result.peakHostBytes()).isEqualTo(plan.hostTotal());
            assertThat(plan.loading() == 0).isEqualTo(stepBeyondLoading);
        }
    }

    @Test
    void measuresARealStep() {
        TrainingBenchmark benchmark =
                benchmark(TinyModels.config(), QuantizationConfig.nf4(ComputeType.F32), Recompute.NONE, 32, 3);
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"))) {
            TrainingBenchmark.Result result = benchmark.run(device);
            assertThat(result.numTokens()).isEqualTo(2 * 3 * 32);
            // random weights know nothing: the loss is that of a uniform guess
            assertThat(result.loss()).isCloseTo(Math.log(51), within(0.1));
            assertThat(result.gradNorm()).isPositive().isFinite();
            assertThat(result.tokensPerSecond() * result.stepMs() / 1e3).isCloseTo(192, within(1e-6));
            assertThat(result.fastestStepMs()).isPositive().isLessThanOrEqualTo(result.stepMs());
            TrainingBenchmark.Result again = benchmark.run(device);
            assertThat(again.loss()).isEqualTo(result.loss());
            assertThat(again.gradNorm()).isEqualTo(result.gradNorm());
        }
    }

    /** Fresh adapters change nothing about the loss, whoever has which rows. */
    @Test
    void severalAdaptersTakeTheSameRows() {
        QuantizationConfig nf4 = QuantizationConfig.nf4(ComputeType.F32);
        List<TrainingBenchmark.Result> results = new ArrayList<>();
        for (int adapters : new int[] {1, 3}) {
            try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"))) {
                results.add(benchmark(TinyModels.config(), nf4, Recompute.FULL, 16, 6, adapters, 0)
                        .run(device));
            }
        }
        assertThat(results.get(1).numTokens()).isEqualTo(2 * 6 * 16);
        assertThat(results.get(1).loss()).isCloseTo(results.get(0).loss(), within(1e-3));
        assertThat(results.get(1).gradNorm()).isGreaterThan(results.get(0).gradNorm());
    }

    @Test
    void sizesOutOfRangeAreRefused() {
        assertThatThrownBy(() -> TrainingBenchmark.of(TinyModels.config(), 65))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFIG))
                .hasMessageContaining("seq is 65, expected between 2 and the model's max_position_embeddings, 64");
        assertThatThrownBy(() ->
                        benchmark(TinyModels.config(), QuantizationConfig.nf4(ComputeType.F32), Recompute.NONE, 8, 0))
                .hasMessageContaining("batch is 0, expected at least 1");
        assertThatThrownBy(() -> benchmark(
                        TinyModels.config(), QuantizationConfig.nf4(ComputeType.F32), Recompute.NONE, 8, 4, 3, 0))
                .hasMessageContaining("batch is 4, expected a multiple of the 3 adapters");
    }
}
