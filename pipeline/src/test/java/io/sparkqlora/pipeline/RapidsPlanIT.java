// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What the RAPIDS Accelerator would run of the data stage: its explain mode says so of every operator, and needs no GPU. Its jar
 * (575 MB) is no dependency of the build; where the local Maven repository doesn't have it the test is skipped, and says how to
 * get it.
 */
@Tag("slow")
class RapidsPlanIT {

    private static final Path JAR = Path.of(System.getProperty("qlora.test.rapids.jar"));
    private static final Pattern OPERATOR = Pattern.compile("([*!#]) ?(?:Exec)? <(\\w+Exec(?:V1)?)> (.*)");

    /** Rows go through these, each for a reason. */
    private static final Set<String> ON_CPU = Set.of(
            // the template, the tokenizer and packing are functions on rows
            "DeserializeToObjectExec",
            "MapPartitionsExec",
            "SerializeFromObjectExec",
            // the source's rows as JSON for those functions: Spark 4 plans to_json as a call that the plugin doesn't
            // know, so
            // the exchange that spreads the rows has no columns to take
            "ProjectExec",
            "ShuffleExchangeExec",
            // what is tokenised once and read three times is cached as rows
            "InMemoryTableScanExec",
            // a few rows of the driver's
            "RDDScanExec",
            "LocalTableScanExec",
            // what a command returns, and the second half of a command whose first half writes on the GPU
            "CommandResultExec",
            "AppendDataExecV1");

    @TempDir
    Path dir;

    @Test
    void theDataStageRunsOnTheGpuButForFunctionsOnRows() throws Exception {
        assumeThat(JAR).as(".ci/run brings it into the local Maven repository").exists();
        Path source = dir.resolve("data.parquet");
        SparkSession spark = TestSpark.session();
        spark.read()
                .json(TestJobs.conversations(dir.resolve("data.jsonl"), 300).toString())
                .write()
                .parquet(source.toString());
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", source.toString())
                .build();

        SparkSubmit.Ended ended = SparkSubmit.in(dir)
                .run(
                        "local[2]",
                        "tokenize",
                        job,
                        Map.of(
                                "spark.plugins", "com.nvidia.spark.SQLPlugin,io.sparkqlora.pipeline.QLoraPlugin",
                                "spark.rapids.sql.mode", "explainOnly",
                                "spark.rapids.sql.explain", "ALL",
                                // with adaptive plans it explains each stage by itself, and can't tell of joins
                                "spark.sql.adaptive.enabled", "false"),
                        List.of(JAR));

        assertThat(ended.code()).as(ended.err()).isZero();
        List<MatchResult> operators = OPERATOR.matcher(ended.err()).results().toList();
        assertThat(names(operators, "*"))
                .contains(
                        "FileSourceScanExec",
                        "FilterExec",
                        "ProjectExec",
                        "WindowExec",
                        "SortExec",
                        "ShuffleExchangeExec",
                        "HashAggregateExec",
                        "BroadcastExchangeExec",
                        "BroadcastHashJoinExec",
                        "AtomicCreateTableAsSelectExec");
        List<MatchResult> onCpu = operators.stream()
                .filter(operator -> operator.group(1).equals("!"))
                .toList();
        assertThat(names(onCpu, "!")).isSubsetOf(ON_CPU);
        for (String once : List.of("ProjectExec", "ShuffleExchangeExec")) {
            assertThat(onCpu)
                    .as(ended.err())
                    .filteredOn(operator -> operator.group(2).equals(once))
                    .hasSize(1);
        }
    }

    private static Set<String> names(List<MatchResult> operators, String sign) {
        return operators.stream()
                .filter(operator -> operator.group(1).equals(sign))
                .map(operator -> operator.group(2))
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
