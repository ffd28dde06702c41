// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Profile;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.RanksBenchmark;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingBenchmark;
import io.sparkqlora.train.WeightSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora bench}. */
@Command(name = "bench", description = "Measures loading and training steps, on random tokens. Needs no Spark.")
final class BenchCommand extends QLoraCommand {

    private static final double MILLIS = 1e3;

    @Mixin
    ShapeOptions shape;

    @Mixin
    RankOptions ranks;

    @Option(
            names = "--backend",
            defaultValue = "cpu",
            description = "What the numbers run on: cpu, cuda or cuda:1. Default: ${DEFAULT-VALUE}.")
    String backend;

    @Option(names = "--steps", defaultValue = "5", description = "Measured steps. Default: ${DEFAULT-VALUE}.")
    int steps;

    @Option(names = "--warmup", defaultValue = "1", description = "Steps before them. Default: ${DEFAULT-VALUE}.")
    int warmup;

    @Option(
            names = "--profile",
            description =
                    "Runs the measured steps a second time and prints, for each kernel, calls and time a step and what"
                            + " it reached of the GPU's ceilings. Only with --backend cuda.")
    boolean profile;

    BenchCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute() {
        try (Checkpoint checkpoint = shape.openCheckpoint()) {
            TrainingBenchmark benchmark = shape.benchmark(checkpoint, steps, warmup);
            if (ranks.several()) {
                return measureRanks(benchmark, checkpoint == null ? benchmark.randomWeights() : checkpoint.weights());
            }
            try (Device device = ranks.limited(Devices.open(backend))) {
                console.err().println("bench on " + device.name() + ": " + shape.describe());
                return measure(
                        benchmark, device, checkpoint == null ? benchmark.randomWeights() : checkpoint.weights());
            }
        }
    }

    private Map<String, Object> measureRanks(TrainingBenchmark benchmark, WeightSource weights) {
        if (profile) {
            throw TrainErrors.badArgument("profile", true, "false where several ranks are measured");
        }
        RanksBenchmark all = ranks.benchmark(benchmark);
        console.err().println("bench on " + ranks.describe(backend) + ": " + shape.describe());
        List<TrainingBenchmark.Result> results = all.run(rank -> ranks.open(backend, rank), weights);
        Map<String, Object> outcome = outcome(results.get(0));
        outcome.put("num_processes", all.ranks());
        outcome.put("shard_base", all.shardBase());
        outcome.put(
                "peak_bytes_by_rank",
                results.stream().map(TrainingBenchmark.Result::peakBytes).toList());
        outcome.put("planned_bytes", all.plan(Devices.traits(backend)).total());
        return outcome;
    }

    private Map<String, Object> measure(TrainingBenchmark benchmark, Device device, WeightSource weights) {
        TrainingBenchmark.Profiled profiled = profile ? benchmark.profile(device, weights) : null;
        Map<String, Object> outcome = outcome(profile ? profiled.result() : benchmark.run(device, weights));
        outcome.put("device", device.name());
        outcome.put("planned_bytes", benchmark.plan(device.traits()).total());
        if (profile) {
            outcome.put("profiled_step_ms", profiled.profiledStepMs());
            outcome.put("kernels", kernels(profiled.profile()));
        }
        return outcome;
    }

    private Map<String, Object> outcome(TrainingBenchmark.Result result) {
        Map<String, Object> outcome = new LinkedHashMap<>(shape.values());
        outcome.put("backend", backend);
        outcome.put("nvidia_libraries", NvidiaLibraries.loaded());
        outcome.put("steps", steps);
        outcome.put("tokens_per_second", result.tokensPerSecond());
        outcome.put("step_ms", result.stepMs());
        outcome.put("fastest_step_ms", result.fastestStepMs());
        outcome.put("load_bytes", result.loading().bytes());
        outcome.put("load_seconds", result.loading().seconds());
        outcome.put("load_bytes_per_second", result.loading().bytesPerSecond());
        outcome.put("peak_bytes", result.peakBytes());
        outcome.put("peak_host_bytes", result.peakHostBytes());
        outcome.put("num_tokens", result.numTokens());
        outcome.put("loss", result.loss());
        outcome.put("grad_norm", result.gradNorm());
        return outcome;
    }

    private List<Map<String, Object>> kernels(Profile taken) {
        console.err().print(taken.table(steps));
        return taken.kernels().stream().map(k -> kernel(k, taken.ceilings())).toList();
    }

    private Map<String, Object> kernel(Profile.Kernel kernel, Profile.Ceilings ceilings) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("kernel", kernel.name());
        values.put("shape", kernel.shape());
        values.put("calls", (double) kernel.calls() / steps);
        values.put("ms", MILLIS * kernel.seconds() / steps);
        values.put("tflops", kernel.teraflops());
        values.put("tb_per_second", kernel.terabytes());
        if (ceilings != null) {
            values.put("of_ceiling", kernel.ofCeiling(ceilings));
        }
        return values;
    }
}
