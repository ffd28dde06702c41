// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Profile;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Measures training steps on random weights, or a checkpoint's, and random tokens, every one of which counts; each row is one sequence. The
 * adapter is PEFT's default but for rank, dropout and targets, with {@code lora_alpha} twice the rank.
 *
 * @param model shape of the base
 * @param quantization how it is held
 * @param seq tokens of a row
 * @param batch rows of a micro-batch
 * @param accumulate micro-batches of a step
 * @param rank of the adapter
 * @param adapters trained at once, each on as many rows of every micro-batch; 1 is measured as any training
 * @param dropout probability of dropping an element of an adapter's input
 * @param targets layers that get an adapter
 * @param recompute what is kept for backward
 * @param optim how the moments are held
 * @param steps measured steps
 * @param warmup steps before them, which are not measured
 * @param seed of weights, tokens and adapter
 */
public record TrainingBenchmark(
        ModelConfig model,
        QuantizationConfig quantization,
        int seq,
        int batch,
        int accumulate,
        int rank,
        int adapters,
        double dropout,
        TargetModules targets,
        Recompute recompute,
        Optim optim,
        int steps,
        int warmup,
        long seed) {

    private static final double MILLIS = 1e3;

    /**
     * What was measured.
     *
     * @param tokensPerSecond over all measured steps
     * @param stepMs mean time of a step
     * @param fastestStepMs time of the fastest
     * @param loading of the base; random weights are made while they are read
     * @param peakBytes most device memory at once, as {@link Device#peakBytes()} says
     * @param peakHostBytes most pinned host memory at once, as {@link Device#peakHostBytes()} says
     * @param loss of the last step, over all adapters
     * @param gradNorm of the last step, over all adapters
     * @param numTokens of a step
     */
    public record Result(
            double tokensPerSecond,
            double stepMs,
            double fastestStepMs,
            BaseLoading loading,
            long peakBytes,
            long peakHostBytes,
            double loss,
            double gradNorm,
            long numTokens) {}

    /**
     * Steps, and then as many again with every kernel timed.
     *
     * @param result of the steps that were not disturbed
     * @param profile of the others
     * @param profiledStepMs mean time of those
     */
    public record Profiled(Result result, Profile profile, double profiledStepMs) {}

    public TrainingBenchmark {
        check(
                "seq",
                seq,
                seq >= 2 && seq <= model.maxSequenceLength(),
                "between 2 and the model's max_position_embeddings, " + model.maxSequenceLength());
        check("batch", batch, batch >= 1, "at least 1");
        check("adapters", adapters, adapters >= 1, "at least 1");
        check("batch", batch, batch % adapters == 0, "a multiple of the " + adapters + " adapters");
        check("accumulate", accumulate, accumulate >= 1, "at least 1");
        check("steps", steps, steps >= 1, "at least 1");
        check("warmup", warmup, warmup >= 0, "at least 0");
    }

    private static void check(String name, int value, boolean valid, String expected) {
        if (!valid) {
            throw TrainErrors.badArgument(name, value, expected);
        }
    }

    /** One sequence of the given length at a time, rank 16 on all linear layers over an NF4 base in BF16. */
    public static TrainingBenchmark of(ModelConfig model, int seq) {
        QuantizationConfig nf4 = QuantizationConfig.nf4(ComputeType.BF16);
        return new TrainingBenchmark(
                model,
                nf4,
                seq,
                1,
                1,
                16,
                1,
                0,
                TargetModules.allLinear(),
                Recompute.SELECTIVE,
                Optim.ADAMW_TORCH,
                5,
                1,
                42);
    }

    /** The memory that it will take. */
    public MemoryPlan plan(DeviceTraits device) {
        return plan(device, arguments());
    }

    MemoryPlan plan(DeviceTraits device, TrainingArguments with) {
        return MemoryPlan.of(device, model, quantization, lora(), with, tokens(), adapters);
    }

    private int tokens() {
        return Math.multiplyExact(seq, batch);
    }

    /** Random weights that are a function of the model and the seed. */
    public WeightSource randomWeights() {
        return new RandomWeights(model, seed);
    }

    /** As {@link #run(Device, WeightSource)} with random weights. */
    public Result run(Device device) {
        return run(device, randomWeights());
    }

    /**
     * Loads and measures.
     *
     * @param weights of the model
     * @throws io.sparkqlora.kernels.QLoraException RESOURCES if the memory does not suffice
     */
    public Result run(Device device, WeightSource weights) {
        return run(device, open(device, weights), seed, session -> {});
    }

    /** As one of several ranks. */
    Result run(Device device, WeightSource weights, TrainingArguments with, Collective collective) {
        int part = with.shardBase() ? collective.rank() : 0;
        TrainingSession session =
                TrainingSession.open(device, model, weights, quantization, lora(), with, tokens(), part);
        return run(device, new BenchmarkSession.One(session, collective), seed + collective.rank(), ended -> {});
    }

    /**
     * As {@link #run(Device, WeightSource)}, and measures where the time goes.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG where the device can't tell, RESOURCES if the memory does not suffice
     */
    public Profiled profile(Device device, WeightSource weights) {
        device.startProfile(); // refused before anything is loaded
        device.stopProfile();
        List<Profiled> profiled = new ArrayList<>();
        Result result = run(device, open(device, weights), seed, session -> profiled.add(profile(device, session)));
        return new Profiled(result, profiled.get(0).profile(), profiled.get(0).profiledStepMs());
    }

    private Profiled profile(Device device, BenchmarkSession session) {
        Random random = new Random(seed);
        double seconds = 0;
        device.startProfile();
        for (int step = 0; step < steps; step++) {
            seconds += session.step(microBatches(random)).seconds();
        }
        return new Profiled(null, device.stopProfile(), MILLIS * seconds / steps);
    }

    private Result run(Device device, BenchmarkSession opened, long tokenSeed, Consumer<BenchmarkSession> after) {
        try (BenchmarkSession session = opened) {
            Random random = new Random(tokenSeed);
            double seconds = 0;
            double fastest = Double.POSITIVE_INFINITY;
            StepMetrics metrics = null;
            for (int step = 0; step < warmup + steps; step++) {
                metrics = session.step(microBatches(random));
                if (step >= warmup) {
                    seconds += metrics.seconds();
                    fastest = Math.min(fastest, metrics.seconds());
                }
            }
            Result result = result(device, metrics, seconds, fastest, session.loading());
            after.accept(session);
            return result;
        }
    }

    private Result result(Device device, StepMetrics last, double seconds, double fastest, BaseLoading loading) {
        return new Result(
                steps * last.numTokens() / seconds,
                MILLIS * seconds / steps,
                MILLIS * fastest,
                loading,
                device.peakBytes(),
                device.peakHostBytes(),
                last.loss(),
                last.gradNorm(),
                last.numTokens());
    }

    private LoraConfig lora() {
        return LoraConfig.builder()
                .r(rank)
                .loraAlpha(2.0 * rank)
                .loraDropout(dropout)
                .targetModules(targets)
                .build();
    }

    TrainingArguments arguments() {
        return TrainingArguments.builder()
                .perDeviceTrainBatchSize(batch)
                .gradientAccumulationSteps(accumulate)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(warmup + 2 * steps)
                .recompute(recompute)
                .optim(optim)
                .seed(seed)
                .build();
    }

    private BenchmarkSession open(Device device, WeightSource weights) {
        if (adapters == 1) {
            return new BenchmarkSession.One(
                    TrainingSession.open(device, model, weights, quantization, lora(), arguments(), tokens()),
                    Collective.solo());
        }
        MultiAdapterSession session =
                MultiAdapterSession.open(device, model, weights, quantization, lora(), arguments(), tokens(), adapters);
        try {
            for (int slot = 0; slot < adapters; slot++) {
                session.start(slot, arguments().toBuilder().seed(seed + slot).build());
            }
            return new BenchmarkSession.Several(session);
        } catch (RuntimeException | Error e) {
            session.close();
            throw e;
        }
    }

    private List<List<PackedRow>> microBatches(Random random) {
        List<List<PackedRow>> all = new ArrayList<>();
        for (int i = 0; i < accumulate; i++) {
            List<PackedRow> rows = new ArrayList<>();
            for (int row = 0; row < batch; row++) {
                int[] tokens = random.ints(seq, 0, model.vocabSize()).toArray();
                rows.add(PackedRow.single((long) i * batch + row, tokens, tokens));
            }
            all.add(rows);
        }
        return all;
    }
}
