// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.train.LrSchedulerType;
import io.sparkqlora.train.Optim;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The keys of a job file that say how it is trained. */
public final class TrainingKeys {

    private static final String TRAINING = "Training";

    public static final ConfigKey<Double> LEARNING_RATE =
            of(TRAINING, "learning_rate", ConfigTypes.number(Range.atLeast(0)), 5e-5, "Top of the schedule.");

    public static final ConfigKey<String> LR_SCHEDULER_TYPE =
            of(TRAINING, "lr_scheduler_type", ConfigTypes.oneOf(schedules()), "linear", "How the learning rate falls.");

    public static final ConfigKey<Map<String, Double>> LR_SCHEDULER_KWARGS = of(
            TRAINING,
            "lr_scheduler_kwargs",
            ConfigTypes.numbers("options of the schedule, as {num_cycles: 2}"),
            Map.of(),
            "The schedule's options: num_cycles of cosine (0.5) and cosine_with_restarts (1), lr_end (1e-7) and power (1) of "
                    + "polynomial, timescale of inverse_sqrt (the steps of warm-up, or 10000 without any).");

    public static final ConfigKey<Integer> WARMUP_STEPS = of(
            TRAINING,
            "warmup_steps",
            ConfigTypes.atLeast(0),
            0,
            "Steps of linear warm-up. Takes precedence over warmup_ratio.");

    public static final ConfigKey<Double> WARMUP_RATIO = of(
            TRAINING,
            "warmup_ratio",
            ConfigTypes.number(Range.closed(0, 1)),
            0.0,
            "Warm-up as a part of all steps, rounded up.");

    public static final ConfigKey<Integer> MAX_STEPS = of(
            TRAINING,
            "max_steps",
            ConfigTypes.positiveOr("num_train_epochs to decide"),
            -1,
            "Optimizer steps of the run, over as many epochs as it takes; -1: num_train_epochs decides.");

    public static final ConfigKey<Double> NUM_TRAIN_EPOCHS =
            of(TRAINING, "num_train_epochs", ConfigTypes.number(Range.above(0)), 3.0, "Passes over the data.");

    public static final ConfigKey<Integer> PER_DEVICE_TRAIN_BATCH_SIZE = of(
            TRAINING,
            "per_device_train_batch_size",
            ConfigTypes.atLeast(1),
            8,
            "Packed rows that go through the model at once.");

    public static final ConfigKey<Integer> GRADIENT_ACCUMULATION_STEPS = of(
            TRAINING,
            "gradient_accumulation_steps",
            ConfigTypes.atLeast(1),
            1,
            "Batches of one optimizer step. The loss is normalised by the counted tokens of all of them.");

    public static final ConfigKey<Double> MAX_GRAD_NORM = of(
            TRAINING,
            "max_grad_norm",
            ConfigTypes.number(Range.atLeast(0)),
            1.0,
            "Gradients are scaled down to this 2-norm; 0: no clipping.");

    public static final ConfigKey<Double> WEIGHT_DECAY = of(
            TRAINING,
            "weight_decay",
            ConfigTypes.number(Range.atLeast(0)),
            0.0,
            "The optimizer's weight decay: decoupled of AdamW and Lion, part of the gradient of sgd. All matrices A and B decay, "
                    + "as in transformers, which leaves out biases and weights of norms.");

    public static final ConfigKey<Double> LABEL_SMOOTHING_FACTOR = of(
            TRAINING,
            "label_smoothing_factor",
            ConfigTypes.number(Range.halfOpen(0, 1)),
            0.0,
            "How much of a label's probability is spread over the vocabulary: a counted token's loss is (1 - factor) times its "
                    + "cross-entropy and factor times the mean of -log p over all words. evaluate doesn't smooth.");

    public static final ConfigKey<Double> NEFTUNE_NOISE_ALPHA = of(
            TRAINING,
            "neftune_noise_alpha",
            ConfigTypes.number(Range.atLeast(0)),
            0.0,
            "NEFTune: while training, uniform noise of at most alpha / √(sequence length · hidden size) on the embeddings; 0: "
                    + "none. transformers takes the length of the padded batch.");

    public static final ConfigKey<String> OPTIM = of(
            TRAINING,
            "optim",
            ConfigTypes.oneOf(Optim.names().toArray(String[]::new)),
            Optim.ADAMW_TORCH.toString(),
            "The optimizer: AdamW or Lion with moments in 32 or 8 bits (paged: in the host's memory), or SGD without momentum. "
                    + "adamw_bnb_8bit is adamw_8bit, adamw_torch_fused adamw_torch, lion lion_32bit.");

    public static final ConfigKey<Double> LORAPLUS_LR_RATIO = of(
            TRAINING,
            "loraplus_lr_ratio",
            ConfigTypes.number(Range.above(0)),
            1.0,
            "LoRA+ (peft's create_loraplus_optimizer): the learning rate of the B matrices by that of the A matrices, which is "
                    + "learning_rate. weight_decay is that of both.");

    public static final ConfigKey<Double> ADAM_BETA1 = of(
            TRAINING,
            "adam_beta1",
            ConfigTypes.number(Range.halfOpen(0, 1)),
            0.9,
            "Decay of AdamW's first moment; of Lion's mean of moment and gradient.");

    public static final ConfigKey<Double> ADAM_BETA2 = of(
            TRAINING,
            "adam_beta2",
            ConfigTypes.number(Range.halfOpen(0, 1)),
            0.999,
            "Decay of AdamW's second moment; of Lion's moment, for which its authors take 0.99.");

    public static final ConfigKey<Double> ADAM_EPSILON = of(
            TRAINING,
            "adam_epsilon",
            ConfigTypes.number(Range.atLeast(0)),
            1e-8,
            "Added to the root of AdamW's second moment.");

    public static final ConfigKey<Long> SEED = of(
            TRAINING,
            "seed",
            ConfigTypes.anyLong(),
            42L,
            "Of initialisation, data order and dropout. The same seed gives the same adapter, bit for bit.");

    public static final ConfigKey<String> RECOMPUTE = of(
            TRAINING,
            "recompute",
            ConfigTypes.oneOf("none", "selective", "full"),
            "none",
            "What the backward pass computes again to save memory; all three give the same bits. "
                    + "`gradient_checkpointing: true` is full, `false` is none.");

    static final List<ConfigKey<?>> ALL = List.of(
            LEARNING_RATE,
            LR_SCHEDULER_TYPE,
            LR_SCHEDULER_KWARGS,
            WARMUP_STEPS,
            WARMUP_RATIO,
            MAX_STEPS,
            NUM_TRAIN_EPOCHS,
            PER_DEVICE_TRAIN_BATCH_SIZE,
            GRADIENT_ACCUMULATION_STEPS,
            MAX_GRAD_NORM,
            WEIGHT_DECAY,
            LABEL_SMOOTHING_FACTOR,
            NEFTUNE_NOISE_ALPHA,
            OPTIM,
            LORAPLUS_LR_RATIO,
            ADAM_BETA1,
            ADAM_BETA2,
            ADAM_EPSILON,
            SEED,
            RECOMPUTE);

    private TrainingKeys() {}

    private static String[] schedules() {
        return Arrays.stream(LrSchedulerType.values())
                .map(type -> type.name().toLowerCase(Locale.ROOT))
                .toArray(String[]::new);
    }
}
