// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.train.AdapterFiles;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora export}. */
@Command(
        name = "export",
        description = "Writes an adapter as PEFT saves it: adapter_config.json and adapter_model.safetensors.")
final class ExportCommand extends JobCommand {

    @Mixin
    AdapterOptions adapter;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "Where to; made if need be.")
    Path out;

    ExportCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        RunChoice choice = adapter.choose(Workspace.open(spark, config, RunObserver.NONE));
        AdapterFiles.write(choice.adapter(), out);
        console.err().println(choice.adapterId() + " is in " + out);
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("run_id", choice.run().inputs().runId());
        outcome.put("adapter_id", choice.adapterId());
        outcome.put("step", choice.step());
        outcome.put("tensors", choice.adapter().tensors().size());
        outcome.put("path", out.toAbsolutePath().toString());
        return outcome;
    }
}
