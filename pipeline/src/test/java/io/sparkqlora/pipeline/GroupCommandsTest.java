// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.train.AdapterFiles;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands on a run of groups. */
class GroupCommandsTest {

    @TempDir
    Path dir;

    private final SparkSession spark = TestSpark.session();
    private JobConfig job;

    @BeforeEach
    void prepare() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            String key = List.of("tenant 1", "tenant 2", "broken").get(i % 3);
            rows.append("{\"tenant\":\"" + key + "\",\"sweep\":{\"learning_rate\":" + (i % 3 == 2 ? "1e38" : "1e-3")
                    + "},\"messages\":[{\"role\":\"user\",\"content\":\"say " + i
                    + "\"},{\"role\":\"assistant\",\"content\":\"abc" + i + "\"}]}\n");
        }
        job = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.write(dir.resolve("data.jsonl"), rows.toString())
                                .toString())
                .set("group_by", "tenant")
                .set("group_hyperparameters", "sweep")
                .set("max_grad_norm", 0)
                .build();
    }

    @Test
    void aRunOfGroupsIsTrainedAndItsAdaptersAreUsedOneByOne() {
        Ended trained = Cli.run("train", job);
        assertThat(trained.code()).as(trained.err()).isEqualTo(9);
        assertThat(trained.text("status")).isEqualTo("partial");
        assertThat(trained.text("code")).isEqualTo("QLORA-P091");
        assertThat(trained.text("run_status")).isEqualTo("partial");
        assertThat(trained.outcome().get("groups").asInt()).isEqualTo(3);
        assertThat(trained.outcome().get("groups_done").asInt()).isEqualTo(2);
        assertThat(trained.outcome().get("groups_failed").asInt()).isEqualTo(1);
        assertThat(trained.err())
                .contains("qlora: QLORA-P091: 1 of the 3 groups")
                .contains("groups 3/3  1 failed");
        String run = trained.text("run_id");

        Path out = dir.resolve("adapter");
        Ended exported = Cli.run("export", job, "--group", "tenant 1", "--out", out.toString())
                .done();
        assertThat(exported.text("adapter_id")).isEqualTo(run + "/tenant 1@5");
        RunResult result = new RunResult(run, null, "partial", 10, 10, null, job.get(RunKeys.OUTPUT_DIR));
        assertThat(AdapterFiles.read(out).tensors())
                .isEqualTo(
                        SparkQLora.job(job).adapter(spark, result, "tenant 1").tensors());
        assertThat(result.groups(spark).select("group_key", "status").collectAsList())
                .extracting(Row::toString)
                .containsExactly("[broken,failed]", "[tenant 1,done]", "[tenant 2,done]");

        Ended evaluated = Cli.run("evaluate", job, "--group", "tenant 2").done();
        assertThat(evaluated.text("adapter_id")).isEqualTo(run + "/tenant 2@5");
        assertThat(evaluated.outcome().get("num_target_tokens").asLong()).isPositive();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());
        Cli.run("generate", job, "--group", "tenant 2", "--prompt", "say 1", "--max-new-tokens", "2")
                .done();

        Cli.run("export", job, "--out", out.toString())
                .refused(
                        2,
                        "QLORA-P092: run " + run
                                + " has an adapter a group; choose one with --group, such as 'tenant 1'");
        Cli.run("evaluate", job, "--group", "tenant 3")
                .refused(
                        2,
                        "QLORA-P094: run " + run
                                + " has no group 'tenant 3'; its groups are, among others, 'tenant 1', 'tenant 2'");
        Cli.run("generate", job, "--group", "broken", "--prompt", "a")
                .refused(2, "QLORA-P095: group 'broken' of run " + run + " has no adapter: it is failed (QLORA-T060");
    }

    @Test
    void whatDoesNotGoWithGroupsIsRefusedBeforeAnythingIsWritten() {
        Cli.run("train", job, "num_processes=2").refused(2, "QLORA-P090: num_processes is 2 beside group_by");
        Cli.run("train", job, "group_by=tenants").refused(2, "QLORA-D052: group_by names 'tenants'");
        assertThat(Cli.files(dir.resolve("out"))).isEmpty();
    }
}
