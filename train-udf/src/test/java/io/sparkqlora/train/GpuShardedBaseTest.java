// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static io.sparkqlora.train.ShardedBaseTest.DROPPING;
import static io.sparkqlora.train.ShardedBaseTest.arguments;
import static io.sparkqlora.train.ShardedBaseTest.nf4;
import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Two GPUs that each keep a part of the base take the steps of two that have all of it, bit for bit. */
@Tag("gpu")
class GpuShardedBaseTest {

    private static final int RANKS = 2;

    /** What joining takes, which comes and goes after the plan's have been allocated. */
    private static final long JOINING = 32;

    @BeforeEach
    void twoGpus() {
        GpuRanksTest.requireTwoGpus();
    }

    @ParameterizedTest
    @CsvSource({
        "NONE, true, F32",
        "SELECTIVE, true, F32",
        "FULL, true, F32",
        "NONE, false, BF16",
        "SELECTIVE, true, BF16",
        "FULL, true, BF16",
        "FULL, false, BF16",
        "SELECTIVE, true, F16"
    })
    void theBitsAreThoseOfAWholeBase(Recompute recompute, boolean doubleQuant, ComputeType compute) {
        QuantizationConfig quantization = nf4(doubleQuant, compute);
        assertThat(train(quantization, arguments(RANKS, true, recompute)))
                .isEqualTo(train(quantization, arguments(RANKS, false, Recompute.NONE)));
    }

    private static TrainingState train(QuantizationConfig quantization, TrainingArguments arguments) {
        return ShardedBaseTest.train(RANKS, quantization, DROPPING, arguments, rank -> Devices.open("cuda:" + rank));
    }

    @Test
    void aRankTakesWhatThePlanSays() {
        TrainingBenchmark each = TrainingBenchmark.of(
                ModelConfig.parse(
                        """
                        {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 6,
                         "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 1003,
                         "max_position_embeddings": 4096}
                        """,
                        "small"),
                256);
        RanksBenchmark benchmark = new RanksBenchmark(each, RANKS, true);
        long plan;
        try (Device device = Devices.open("cuda")) {
            plan = benchmark.plan(device.traits()).total();
        }
        List<TrainingBenchmark.Result> ranks =
                benchmark.run(rank -> Devices.open("cuda:" + rank), each.randomWeights());
        assertThat(ranks).allSatisfy(rank -> assertThat(rank.peakBytes()).isBetween(plan, plan + JOINING));
        assertThat(ranks.get(1).loss()).isEqualTo(ranks.get(0).loss());
    }
}
