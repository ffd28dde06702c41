// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.job.NamedAdapter;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterCombination;
import io.sparkqlora.train.AdapterFiles;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code qlora combine}. */
@Command(
        name = "combine",
        description =
                "Combines adapters by weight into one, as PEFT's add_weighted_adapter, and writes it as PEFT saves it.")
final class CombineCommand extends JobCommand {

    @Option(
            names = "--adapters",
            required = true,
            split = ",",
            paramLabel = "ADAPTER",
            description =
                    "Two or more, with commas: folders as PEFT or export write them, or runs of the job's output_dir as "
                            + "run_id, run_id@step or run_id/group_key@step.")
    List<String> adapters;

    @Option(
            names = "--weights",
            required = true,
            split = ",",
            paramLabel = "W",
            description = "As many numbers, with commas; negative ones subtract (--weights=-0.5,1).")
    List<Double> weights;

    @Option(
            names = "--combination-type",
            paramLabel = "TYPE",
            defaultValue = "svd",
            description =
                    "linear adds up A and B (of one rank; rough), cat is exact and of the sum of ranks, svd the best of a "
                            + "rank. Default: ${DEFAULT-VALUE}.")
    String type;

    @Option(
            names = "--svd-rank",
            paramLabel = "R",
            description = "Rank of the result of svd. Default: the highest of the adapters'.")
    Integer svdRank;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "Where to; made if need be.")
    Path out;

    CombineCommand(Console console) {
        super(console);
    }

    /** Folders are combined without a job. */
    @Override
    JobConfig config() {
        return adapters.stream().allMatch(NamedAdapter::isFolder)
                ? options.without(ModelKeys.MODEL_NAME_OR_PATH, DataKeys.DATASET, RunKeys.OUTPUT_DIR)
                        .build()
                : super.config();
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        Choices.of("--combination-type", type, "linear", "cat", "svd");
        AdapterCombination combination =
                new AdapterCombination(AdapterCombination.Type.valueOf(type.toUpperCase(Locale.ROOT)), svdRank);
        Workspace work = Workspace.open(spark, config, RunObserver.NONE);
        List<NamedAdapter> named =
                adapters.stream().map(name -> NamedAdapter.of(work, name)).toList();
        Adapter combined =
                combination.of(named.stream().map(NamedAdapter::adapter).toList(), weights);
        AdapterFiles.write(combined, out);
        List<String> names = named.stream().map(NamedAdapter::name).toList();
        console.err().println(String.join(" + ", names) + " is in " + out);
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("adapters", names);
        outcome.put("weights", weights);
        outcome.put("combination_type", type);
        outcome.put("r", combined.config().r());
        outcome.put("tensors", combined.tensors().size());
        outcome.put("path", out.toAbsolutePath().toString());
        return outcome;
    }
}
