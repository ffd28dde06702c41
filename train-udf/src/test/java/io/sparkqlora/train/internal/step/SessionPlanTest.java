// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TinyModels;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.model.HostBatch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** However the tokens of a micro-batch are cut into sequences, a step needs no more than the plan says. */
class SessionPlanTest {

    private static final int TOKENS = 200;
    private static final ModelConfig MODEL = TinyModels.config();

    private static SessionSpec spec(DeviceTraits device, Recompute recompute) {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraDropout(0.1)
                .targetModules(TargetModules.allLinear())
                .build();
        TrainingArguments arguments =
                TrainingArguments.builder().recompute(recompute).build();
        return SessionSpec.of(device, MODEL, QuantizationConfig.nf4(ComputeType.BF16), lora, arguments, TOKENS, 1);
    }

    private static HostBatch batch(int... lengths) {
        int[] tokens = new int[Arrays.stream(lengths).sum()];
        return HostBatch.of(List.of(new PackedRow(0, tokens, tokens, lengths)), MODEL.vocabSize());
    }

    private static int[] repeated(int length) {
        int[] lengths = new int[TOKENS / length];
        Arrays.fill(lengths, length);
        return lengths;
    }

    private static int[] random(Random random) {
        List<Integer> lengths = new ArrayList<>();
        for (int left = TOKENS; left > 0; ) {
            int length = 1 + random.nextInt(Math.min(left, 1 + random.nextInt(TOKENS)));
            lengths.add(length);
            left -= length;
        }
        return lengths.stream().mapToInt(length -> length).toArray();
    }

    @ParameterizedTest
    @EnumSource(Recompute.class)
    void noPartitionNeedsMoreThanThePlan(Recompute recompute) {
        for (DeviceTraits device : List.of(DeviceTraits.HOST, Devices.traits("cuda"))) {
            SessionSpec spec = spec(device, recompute);
            long planned = SessionPlan.of(spec).step();
            List<int[]> partitions = new ArrayList<>(List.of(repeated(TOKENS), repeated(1), repeated(2), repeated(5)));
            Random random = new Random(3);
            for (int i = 0; i < 20; i++) {
                partitions.add(random(random));
            }
            for (int[] lengths : partitions) {
                assertThat(SessionPlan.stepBytes(spec, batch(lengths)))
                        .as(() -> Arrays.toString(lengths))
                        .isLessThanOrEqualTo(planned);
            }
        }
    }
}
