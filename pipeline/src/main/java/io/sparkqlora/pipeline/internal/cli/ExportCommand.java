// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.FormatErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.train.Adapter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code qlora export}. */
@Command(
        name = "export",
        description =
                "Writes an adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors; or, with --merge, "
                        + "the whole model with the adapter in it.")
final class ExportCommand extends AdapterCommand {

    /** What a converted adapter goes with. */
    private static final String UNQUANTIZED = "unquantized";

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "Where to; made if need be.")
    Path out;

    @Option(
            names = "--merge",
            arity = "0..1",
            fallbackValue = "bfloat16",
            paramLabel = "DTYPE",
            description =
                    "Write the whole model instead, the adapter merged into its base, for transformers alone: weights "
                            + "in bfloat16 (the default) or float32. The base is taken as it was trained with, dequantised.")
    String merge;

    @Option(
            names = "--quantize",
            description =
                    "With --merge: quantise the merged weights, to the 4 or 8 bits that the run was trained with, and say "
                            + "how much that changes them.")
    boolean quantize;

    ExportCommand(Console console) {
        super(console);
    }

    @Override
    JobConfigBuilder jobOfFolder() {
        return options.without(DataKeys.DATASET, RunKeys.OUTPUT_DIR);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        String dtype = merge == null ? null : Choices.of("--merge", merge, "bfloat16", "float32");
        if (quantize && dtype == null) {
            throw FormatErrors.quantizeWithoutMerge();
        }
        if (adapter.isFolder() && dtype == null) {
            throw AdapterErrors.exportedAlready(adapter.folder);
        }
        AdapterChoice choice = adapter.choose(Workspace.open(spark, config, RunObserver.NONE));
        Map<String, Object> errors = Map.of();
        Adapter written = choice.adapter();
        boolean converted = dtype == null && written.config().initLoraWeights().changesBase();
        if (dtype == null) {
            written = choice.export(out);
        } else if (quantize) {
            errors = QuantizeCommand.errors(choice.mergeQuantized(EngineSettings.computeType(dtype), out));
        } else {
            choice.merge(EngineSettings.computeType(dtype), out);
        }
        console.err().println(choice.adapterId() + " is in " + out);
        if (converted) {
            console.err()
                    .println("It was trained over a base without what it began with ("
                            + choice.adapter().config().initLoraWeights()
                            + "); what is there is for the checkpoint as it is "
                            + "stored, not in 4 or 8 bits: r "
                            + written.config().r() + ".");
        }
        Map<String, Object> outcome = new LinkedHashMap<>();
        AdapterOptions.put(choice, outcome);
        outcome.put("merged", merge != null);
        outcome.put("tensors", written.tensors().size());
        if (converted) {
            outcome.put("r", written.config().r());
            outcome.put("base", UNQUANTIZED);
        }
        outcome.putAll(errors);
        outcome.put("path", out.toAbsolutePath().toString());
        return outcome;
    }
}
