// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.MemoryPlan;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.TrainingArguments;
import java.util.Locale;

/** A job's configuration in the engine's terms. */
public final class EngineSettings {

    private EngineSettings() {}

    /** How the base is held. */
    public static QuantizationConfig quantization(JobConfig config) {
        return new QuantizationConfig(
                config.get(ConfigKeys.LOAD_IN_4BIT),
                QuantFormat.Type.valueOf(upper(config.get(ConfigKeys.BNB_4BIT_QUANT_TYPE))),
                config.get(ConfigKeys.BNB_4BIT_USE_DOUBLE_QUANT),
                QuantizationConfig.DEFAULT_BLOCK_SIZE,
                computeType(config.get(ConfigKeys.BNB_4BIT_COMPUTE_DTYPE)),
                config.get(ConfigKeys.OFFLOAD_EMBEDDING));
    }

    /** The compute type of torch's name: {@code bfloat16} or {@code float32}. */
    public static ComputeType computeType(String torchName) {
        return torchName.equals("float32") ? ComputeType.F32 : ComputeType.BF16;
    }

    /** The policy of a name in lower case. */
    public static Recompute recompute(String name) {
        return Recompute.valueOf(upper(name));
    }

    /** The adapter. */
    public static LoraConfig lora(JobConfig config) {
        return LoraConfig.builder()
                .r(config.get(ConfigKeys.R))
                .loraAlpha(config.get(ConfigKeys.LORA_ALPHA))
                .loraDropout(config.get(ConfigKeys.LORA_DROPOUT))
                .targetModules(config.get(ConfigKeys.TARGET_MODULES))
                .useRslora(config.get(ConfigKeys.USE_RSLORA))
                .build();
    }

    /** How it is trained. */
    public static TrainingArguments arguments(JobConfig config) {
        return TrainingArguments.builder()
                .learningRate(config.get(ConfigKeys.LEARNING_RATE))
                .lrSchedulerType(LrSchedulerType.valueOf(upper(config.get(ConfigKeys.LR_SCHEDULER_TYPE))))
                .warmupSteps(config.get(ConfigKeys.WARMUP_STEPS))
                .warmupRatio(config.get(ConfigKeys.WARMUP_RATIO))
                .maxSteps(config.get(ConfigKeys.MAX_STEPS))
                .numTrainEpochs(config.get(ConfigKeys.NUM_TRAIN_EPOCHS))
                .perDeviceTrainBatchSize(config.get(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE))
                .gradientAccumulationSteps(config.get(ConfigKeys.GRADIENT_ACCUMULATION_STEPS))
                .numProcesses(config.get(ExecutorKeys.NUM_PROCESSES))
                .shardBase(config.get(ExecutorKeys.SHARD_BASE))
                .maxGradNorm(config.get(ConfigKeys.MAX_GRAD_NORM))
                .weightDecay(config.get(ConfigKeys.WEIGHT_DECAY))
                .adamBeta1(config.get(ConfigKeys.ADAM_BETA1))
                .adamBeta2(config.get(ConfigKeys.ADAM_BETA2))
                .adamEpsilon(config.get(ConfigKeys.ADAM_EPSILON))
                .optim(Optim.named(config.get(ConfigKeys.OPTIM)))
                .seed(config.get(ConfigKeys.SEED))
                .recompute(recompute(config.get(ConfigKeys.RECOMPUTE)))
                .build();
    }

    /** The memory that a job takes when its micro-batches have at most so many tokens. */
    public static MemoryPlan memory(JobConfig config, DeviceTraits device, ModelConfig model, int maxTokens) {
        int adapters = config.get(GroupKeys.GROUPS_PER_DEVICE);
        return MemoryPlan.of(device, model, quantization(config), lora(config), arguments(config), maxTokens, adapters);
    }

    private static String upper(String name) {
        return name.toUpperCase(Locale.ROOT);
    }
}
