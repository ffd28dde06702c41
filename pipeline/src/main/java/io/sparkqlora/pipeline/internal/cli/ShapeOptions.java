// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.pipeline.FormatErrors;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.ModelShapes;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.StoredQuantization;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TrainingBenchmark;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** The options that give a model's shape and the size of a step. */
final class ShapeOptions {

    private static final String INT8 = "int8";

    @ArgGroup(multiplicity = "1")
    Base base;

    /** What is trained: one of both. */
    static final class Base {

        @Option(
                names = "--shape",
                paramLabel = "NAME|config.json",
                description =
                        "smollm2-135m, tinyllama-1.1b, gemma-2b, phi3-mini, llama2-7b, mistral-7b, qwen2.5-7b, llama3-8b,"
                                + " qwen3-8b, gemma2-9b, llama3-70b, or a config.json; the weights are random.")
        String shape;

        @Option(
                names = "--model",
                paramLabel = "FOLDER",
                description = "A checkpoint, its own weights; the outcome tells how fast it was loaded.")
        Path model;
    }

    @Option(names = "--seq", defaultValue = "512", description = "Tokens of a row. Default: ${DEFAULT-VALUE}.")
    int seq;

    @Option(names = "--batch", defaultValue = "1", description = "Rows of a micro-batch. Default: ${DEFAULT-VALUE}.")
    int batch;

    @Option(
            names = "--accumulate",
            defaultValue = "1",
            description = "Micro-batches of a step. Default: ${DEFAULT-VALUE}.")
    int accumulate;

    @Option(names = "--rank", defaultValue = "16", description = "Rank of the adapter. Default: ${DEFAULT-VALUE}.")
    int rank;

    @Option(
            names = "--adapters",
            defaultValue = "1",
            description = "Adapters that are trained at once, each on as many rows of a micro-batch as the others:"
                    + " --batch is a multiple of it. Default: ${DEFAULT-VALUE}.")
    int adapters;

    @Option(
            names = "--dropout",
            defaultValue = "0",
            description = "Probability of dropping an element of an adapter's input. Default: ${DEFAULT-VALUE}.")
    double dropout;

    @Option(
            names = "--targets",
            split = ",",
            defaultValue = "all-linear",
            description = "all-linear, or names of modules with commas between. Default: ${DEFAULT-VALUE}.")
    List<String> targets;

    @Option(
            names = "--recompute",
            defaultValue = "none",
            description = "none, selective or full. Default: ${DEFAULT-VALUE}.")
    String recompute;

    @Option(
            names = "--optim",
            defaultValue = "adamw_torch",
            description = "The optimizer, as in a job file: adamw_torch, adamw_8bit, paged_adamw_8bit or"
                    + " paged_adamw_32bit. Default: ${DEFAULT-VALUE}.")
    String optim;

    @Option(
            names = "--quant",
            defaultValue = "nf4",
            description = "How the base is held: nf4, fp4, int8 or none. Default: ${DEFAULT-VALUE}.")
    String quant;

    @Option(
            names = "--llm-int8-threshold",
            description = "Of columns that int8 multiplies in 16 bits, 0 for none. Default: bitsandbytes', 6.")
    Double threshold;

    @Option(
            names = "--dtype",
            defaultValue = "bfloat16",
            description = "Compute type: bfloat16, float16 or float32. Default: ${DEFAULT-VALUE}.")
    String dtype;

    @Option(names = "--seed", defaultValue = "42", description = "Of weights and tokens. Default: ${DEFAULT-VALUE}.")
    long seed;

    /** The checkpoint that is to be measured; null where weights are random. */
    Checkpoint openCheckpoint() {
        return base.model == null ? null : Checkpoint.open(base.model);
    }

    private ModelConfig model(Checkpoint checkpoint) {
        if (checkpoint != null) {
            return checkpoint.config();
        }
        Path file = Path.of(base.shape);
        // random weights are not quantised, whatever those of the file are
        return Files.isRegularFile(file)
                ? ModelConfig.parse(file).withQuantization(null)
                : ModelShapes.named(base.shape);
    }

    /** @param checkpoint or null */
    TrainingBenchmark benchmark(Checkpoint checkpoint, int steps, int warmup) {
        return new TrainingBenchmark(
                model(checkpoint),
                quantization(model(checkpoint).quantization()),
                seq,
                batch,
                accumulate,
                rank,
                adapters,
                dropout,
                targets(),
                EngineSettings.recompute(Choices.of("--recompute", recompute, "none", "selective", "full")),
                Optim.named(Choices.of("--optim", optim, Optim.names().toArray(String[]::new))),
                steps,
                warmup,
                seed);
    }

    private TargetModules targets() {
        return targets.equals(List.of(TargetModules.ALL_LINEAR_NAME))
                ? TargetModules.allLinear()
                : TargetModules.names(targets);
    }

    /** @param stored format of a checkpoint that is quantised already; else null */
    private QuantizationConfig quantization(StoredQuantization stored) {
        QuantizationConfig asked = quantization();
        if (stored != null && !quant.equals(name(stored))) {
            throw FormatErrors.notTheCheckpoints("--quant", quant, name(), name(stored));
        }
        return asked.as(stored);
    }

    private static String name(StoredQuantization stored) {
        return stored.loadIn8bit() ? INT8 : stored.quantType().name().toLowerCase(Locale.ROOT);
    }

    private QuantizationConfig quantization() {
        if (threshold != null && !quant.equals(INT8)) {
            throw PipelineErrors.badValue(
                    "command line", "--llm-int8-threshold", String.valueOf(threshold), "left out without --quant int8");
        }
        var compute = EngineSettings.computeType(Choices.of("--dtype", dtype, "bfloat16", "float16", "float32"));
        return switch (Choices.of("--quant", quant, "nf4", "fp4", INT8, "none")) {
            case "none" -> QuantizationConfig.dense(compute);
            case INT8 -> threshold == null
                    ? QuantizationConfig.int8(compute)
                    : QuantizationConfig.int8(compute).withInt8(threshold);
            case "nf4" -> QuantizationConfig.nf4(compute);
            default -> new QuantizationConfig(
                    true, QuantFormat.Type.FP4, true, QuantizationConfig.DEFAULT_BLOCK_SIZE, compute);
        };
    }

    private String name() {
        return base.model == null ? base.shape : base.model.toString();
    }

    String describe() {
        return name() + ", " + batch + " x " + seq + " tokens, accumulate " + accumulate + ", rank " + rank
                + (adapters > 1 ? ", " + adapters + " adapters" : "")
                + (dropout > 0 ? ", dropout " + dropout : "") + ", targets " + String.join(",", targets) + ", " + quant
                + ", " + dtype + ", recompute " + recompute
                + ", " + optim;
    }

    Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put(base.model == null ? "shape" : "model", name());
        values.put("seq", seq);
        values.put("batch", batch);
        values.put("accumulate", accumulate);
        values.put("rank", rank);
        values.put("adapters", adapters);
        values.put("dropout", dropout);
        values.put("targets", String.join(",", targets));
        values.put("recompute", recompute);
        values.put("optim", optim);
        values.put("quant", quant);
        values.put("dtype", dtype);
        return values;
    }
}
