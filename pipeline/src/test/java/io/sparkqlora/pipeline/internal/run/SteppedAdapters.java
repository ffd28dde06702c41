// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.RandomWeights;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.TrainingSession;
import java.util.List;

/** Adapters after a step, of another seed than a job has by default. */
final class SteppedAdapters {

    private SteppedAdapters() {}

    static Adapter of(LoraConfig lora, ModelConfig model) {
        TrainingArguments arguments = TrainingArguments.builder()
                .maxSteps(1)
                .learningRate(0.01)
                .seed(5)
                .build();
        try (Device device = Devices.open("cpu");
                TrainingSession session = TrainingSession.open(
                        device,
                        model,
                        new RandomWeights(model, 1),
                        QuantizationConfig.nf4(ComputeType.F32),
                        lora,
                        arguments,
                        8)) {
            int[] tokens = {3, 4, 5, 6};
            session.step(List.of(List.of(PackedRow.single(0, tokens, tokens))));
            return session.adapter();
        }
    }
}
