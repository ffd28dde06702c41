// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.config.LoraInitTypes;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.MemoryPlan;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.PreferenceArguments;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.SkipModules;
import io.sparkqlora.train.TrainingArguments;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A job's configuration in the engine's terms. */
public final class EngineSettings {

    private EngineSettings() {}

    /** How a base is held: as it is stored, where it is quantised already, else as the job says. */
    public static QuantizationConfig quantization(JobConfig config, ModelConfig model) {
        return quantization(config).as(model.quantization());
    }

    private static QuantizationConfig quantization(JobConfig config) {
        return new QuantizationConfig(
                config.get(QuantizationKeys.LOAD_IN_4BIT),
                QuantFormat.Type.valueOf(upper(config.get(QuantizationKeys.BNB_4BIT_QUANT_TYPE))),
                config.get(QuantizationKeys.BNB_4BIT_USE_DOUBLE_QUANT),
                config.get(QuantizationKeys.BNB_4BIT_BLOCKSIZE),
                computeType(config.get(QuantizationKeys.BNB_4BIT_COMPUTE_DTYPE)),
                config.get(QuantizationKeys.OFFLOAD_EMBEDDING),
                QuantStorage.named(config.get(QuantizationKeys.BNB_4BIT_QUANT_STORAGE)),
                new SkipModules(config.get(QuantizationKeys.LLM_INT8_SKIP_MODULES)),
                config.get(QuantizationKeys.LOAD_IN_8BIT),
                config.get(QuantizationKeys.LLM_INT8_THRESHOLD));
    }

    /** The compute type of torch's name. */
    public static ComputeType computeType(String torchName) {
        return switch (torchName) {
            case "bfloat16" -> ComputeType.BF16;
            case "float16" -> ComputeType.F16;
            case "float32" -> ComputeType.F32;
            default -> throw new IllegalArgumentException("no compute type " + torchName);
        };
    }

    /** The policy of a name in lower case. */
    public static Recompute recompute(String name) {
        return Recompute.valueOf(upper(name));
    }

    /** The adapter. */
    public static LoraConfig lora(JobConfig config) {
        return LoraConfig.builder()
                .r(config.get(AdapterKeys.R))
                .loraAlpha(config.get(AdapterKeys.LORA_ALPHA))
                .loraDropout(config.get(AdapterKeys.LORA_DROPOUT))
                .targetModules(config.get(AdapterKeys.TARGET_MODULES))
                .layers(new LayerChoice(
                        config.get(AdapterKeys.EXCLUDE_MODULES),
                        orNone(config.get(AdapterKeys.LAYERS_TO_TRANSFORM)),
                        orNone(config.get(AdapterKeys.LAYERS_PATTERN))))
                .initLoraWeights(init(config))
                .useRslora(config.get(AdapterKeys.USE_RSLORA))
                .rankPattern(config.get(AdapterKeys.RANK_PATTERN))
                .alphaPattern(config.get(AdapterKeys.ALPHA_PATTERN))
                .useDora(config.get(AdapterKeys.USE_DORA))
                .bias(Bias.valueOf(upper(config.get(AdapterKeys.BIAS))))
                .modulesToSave(orNone(config.get(AdapterKeys.MODULES_TO_SAVE)))
                .build();
    }

    private static InitLoraWeights init(JobConfig config) {
        Map<String, Double> loftq = config.get(AdapterKeys.LOFTQ_CONFIG);
        int iterations = loftq.getOrDefault(LoraInitTypes.ITERATIONS, 1.0).intValue();
        InitLoraWeights init = InitLoraWeights.named(config.get(AdapterKeys.INIT_LORA_WEIGHTS), iterations);
        if (!loftq.isEmpty() && init.kind() != InitLoraWeights.Kind.LOFTQ) {
            throw AdapterErrors.loftqConfigAlone(loftq, init);
        }
        return init;
    }

    /** How it is trained. */
    public static TrainingArguments arguments(JobConfig config) {
        return TrainingArguments.builder()
                .learningRate(config.get(TrainingKeys.LEARNING_RATE))
                .lrSchedulerType(LrSchedulerType.valueOf(upper(config.get(TrainingKeys.LR_SCHEDULER_TYPE))))
                .lrSchedulerKwargs(config.get(TrainingKeys.LR_SCHEDULER_KWARGS))
                .warmupSteps(config.get(TrainingKeys.WARMUP_STEPS))
                .warmupRatio(config.get(TrainingKeys.WARMUP_RATIO))
                .maxSteps(config.get(TrainingKeys.MAX_STEPS))
                .numTrainEpochs(config.get(TrainingKeys.NUM_TRAIN_EPOCHS))
                .perDeviceTrainBatchSize(config.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE))
                .gradientAccumulationSteps(config.get(TrainingKeys.GRADIENT_ACCUMULATION_STEPS))
                .numProcesses(config.get(ExecutorKeys.NUM_PROCESSES))
                .shardBase(config.get(ExecutorKeys.SHARD_BASE))
                .maxGradNorm(config.get(TrainingKeys.MAX_GRAD_NORM))
                .weightDecay(config.get(TrainingKeys.WEIGHT_DECAY))
                .labelSmoothingFactor(config.get(TrainingKeys.LABEL_SMOOTHING_FACTOR))
                .neftuneNoiseAlpha(config.get(TrainingKeys.NEFTUNE_NOISE_ALPHA))
                .adamBeta1(config.get(TrainingKeys.ADAM_BETA1))
                .adamBeta2(config.get(TrainingKeys.ADAM_BETA2))
                .adamEpsilon(config.get(TrainingKeys.ADAM_EPSILON))
                .loraplusLrRatio(config.get(TrainingKeys.LORAPLUS_LR_RATIO))
                .optim(Optim.named(config.get(TrainingKeys.OPTIM)))
                .preference(preference(config))
                .seed(config.get(TrainingKeys.SEED))
                .recompute(recompute(config.get(TrainingKeys.RECOMPUTE)))
                .build();
    }

    /** What is learned of preferences; null of a job without. */
    private static PreferenceArguments preference(JobConfig config) {
        return config.get(PreferenceKeys.STAGE).equals(PreferenceKeys.DPO)
                ? new PreferenceArguments(config.get(PreferenceKeys.BETA), config.get(PreferenceKeys.LABEL_SMOOTHING))
                : null;
    }

    /** The memory that a job takes when its micro-batches have at most so many tokens. */
    public static MemoryPlan memory(JobConfig config, DeviceTraits device, ModelConfig model, int maxTokens) {
        int adapters = config.get(GroupKeys.GROUPS_PER_DEVICE);
        return MemoryPlan.of(
                device, model, quantization(config, model), lora(config), arguments(config), maxTokens, adapters);
    }

    private static <T> List<T> orNone(List<T> list) {
        return list == null ? List.of() : list;
    }

    private static String upper(String name) {
        return name.toUpperCase(Locale.ROOT);
    }
}
