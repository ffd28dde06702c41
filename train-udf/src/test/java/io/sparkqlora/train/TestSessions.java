// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;

/** Sessions over {@link TinyModels}. */
final class TestSessions {

    static final int MAX_TOKENS = 96;

    static final LoraConfig LORA = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .targetModules(TargetModules.allLinear())
            .build();

    static final TrainingArguments ARGUMENTS = TrainingArguments.builder()
            .learningRate(1e-2)
            .maxSteps(20)
            .weightDecay(0.01)
            .seed(7)
            .build();

    private TestSessions() {}

    /** F32 compute over an NF4 base. */
    static TrainingSession open(Device device, LoraConfig lora, TrainingArguments arguments) {
        return open(device, QuantizationConfig.nf4(ComputeType.F32), lora, arguments);
    }

    static TrainingSession open(
            Device device, QuantizationConfig quantization, LoraConfig lora, TrainingArguments arguments) {
        ModelConfig config = TinyModels.config();
        return TrainingSession.open(
                device, config, new ScaledWeights(config), quantization, lora, arguments, MAX_TOKENS);
    }
}
