// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.pipeline.Cli;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code stage: dpo} through the commands. */
@Tag("slow")
class PreferenceRunTest {

    private static final String[] NUMBERS = {
        "rewards_chosen", "rewards_rejected", "rewards_accuracies", "rewards_margins", "logps_chosen", "logps_rejected"
    };

    @TempDir
    Path dir;

    private JobTables tables;

    @BeforeEach
    void prepare() {
        tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 30; i++) {
            rows.append("{\"prompt\":[{\"role\":\"user\",\"content\":\"say ")
                    .append(i)
                    .append("\"}],\"better\":[{\"role\":\"assistant\",\"content\":\"")
                    .append("abc".repeat(1 + i % 2))
                    .append("\"}],\"worse\":[{\"role\":\"assistant\",\"content\":\"no ")
                    .append(i)
                    .append("\"}]}\n");
        }
        TestJobs.write(dir.resolve("data.jsonl"), rows.toString());
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private JobConfigBuilder job(String runId) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("stage", "dpo")
                .set("beta", 0.5)
                .set("chosen_column", "better")
                .set("rejected_column", "worse")
                .set("max_seq_length", 48)
                .set("packing", false)
                .set("logging_steps", 2)
                .set("validation_split_percentage", 30)
                .set("eval_strategy", "steps")
                .set("eval_steps", 3)
                .set("learning_rate", 0.02);
    }

    private List<Row> metrics(String runId, String where) {
        return tables.read(Table.METRICS)
                .where("run_id = '" + runId + "' AND " + where)
                .orderBy("step")
                .selectExpr(
                        "step",
                        "loss",
                        "eval_loss",
                        "num_target_tokens",
                        "grad_norm",
                        "array(" + String.join(",", NUMBERS) + ")")
                .collectAsList();
    }

    private List<NamedTensor> adapter(String runId) {
        RunRecord run = RunRecord.find(tables, runId).orElseThrow();
        assertThat(run.lastStep()).isEqualTo(5);
        return new AdapterStore(tables).read(run, 5).tensors();
    }

    @Test
    void trainsEvaluatesAndGoesOn() {
        JobConfig calm = job("calm").build();
        Cli.run("train", calm).done();
        assertThat(tables.read(Table.TOKEN_SHARDS)
                        .where("num_pairs = 1 AND num_sequences = 2 AND size(sequence_lengths) = 2")
                        .count())
                .isEqualTo(30);
        List<Row> steps = metrics("calm", "loss IS NOT NULL");
        assertThat(steps).extracting(row -> row.getLong(0)).containsExactly(2L, 4L, 5L);
        assertThat(steps.get(2).getDouble(1)).isLessThan(steps.get(0).getDouble(1));
        List<Row> evaluations = metrics("calm", "eval_loss IS NOT NULL");
        assertThat(evaluations).extracting(row -> row.getLong(0)).containsExactly(3L, 5L);
        assertThat(evaluations.get(1).getDouble(2)).isLessThan(Math.log(2));
        for (Row row : metrics("calm", "true")) {
            List<Double> numbers = row.getList(5);
            assertThat(numbers).doesNotContainNull();
            assertThat(numbers.get(2)).isBetween(0.0, 1.0);
            assertThat(numbers.get(3)).isCloseTo(numbers.get(0) - numbers.get(1), within(1e-9));
        }
        evaluated(calm, evaluations.get(1));
        killed();
        ranks(steps);
        refusals();
    }

    /** What a run measures at its end, evaluate measures too. */
    private void evaluated(JobConfig job, Row last) {
        JsonNode outcome = Cli.run("evaluate", job).done().outcome();
        assertThat(outcome.get("loss").asDouble()).isCloseTo(last.getDouble(2), within(1e-5));
        assertThat(outcome.get("base_loss").asDouble()).isCloseTo(Math.log(2), within(1e-12));
        assertThat(outcome.has("perplexity")).isFalse();
        List<Double> numbers = last.getList(5);
        for (int i = 0; i < NUMBERS.length; i++) {
            assertThat(outcome.get(NUMBERS[i]).asDouble()).isCloseTo(numbers.get(i), within(1e-4));
        }
        Row recorded = tables.read(Table.EVALUATIONS)
                .select("loss", "perplexity", "num_pairs", "rewards_accuracies")
                .first();
        assertThat(recorded.getDouble(0)).isEqualTo(outcome.get("loss").asDouble());
        assertThat(recorded.isNullAt(1)).isTrue();
        assertThat(recorded.getLong(2)).isEqualTo(outcome.get("num_pairs").asLong());
        assertThat(recorded.getDouble(3))
                .isEqualTo(outcome.get("rewards_accuracies").asDouble());
        Cli.run("evaluate", job, "--predict-with-generate")
                .refused(2, "QLORA-P172: --predict-with-generate compares answers with the expected one");
    }

    /** In the middle of a window of logged steps, whose means are part of the state. */
    private void killed() {
        try (var devices = FailingDevices.atUpdate(4, device -> {
            throw KernelErrors.outOfMemory(device.name(), "a test", 2, 1, "go on");
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", job("rough").build()).refused(5, "not enough memory", "go on");
        }
        assertThat(RunRecord.find(tables, "rough").orElseThrow().lastStep()).isEqualTo(3);
        Cli.run("train", job("rough").build()).done();
        assertThat(adapter("rough")).isEqualTo(adapter("calm"));
        assertThat(metrics("rough", "true")).isEqualTo(metrics("calm", "true"));
    }

    private void ranks(List<Row> one) {
        JobConfig two = job("two")
                .set("num_processes", 2)
                .set("gradient_accumulation_steps", 1)
                .build();
        Cli.run("train", two).done();
        List<Row> got = metrics("two", "loss IS NOT NULL");
        for (int i = 0; i < one.size(); i++) {
            assertThat(got.get(i).getDouble(1)).isCloseTo(one.get(i).getDouble(1), within(1e-4));
            assertThat(got.get(i).getLong(3)).isEqualTo(one.get(i).getLong(3));
        }
    }

    private void refusals() {
        JobConfig job = job("refused").build();
        Cli.run("train", job, "group_by=prompt").refused(2, "QLORA-P090: stage is dpo beside group_by");
        Cli.run("train", job, "assistant_only_loss=false")
                .refused(
                        2,
                        "QLORA-P171: assistant_only_loss is false, but of preferences (stage: dpo) always the answers");
        Cli.run("train", job, "adapter_name_or_path=adapter")
                .refused(2, "QLORA-P174: adapter_name_or_path is adapter beside stage: dpo");
        Cli.run("train", job, "neftune_noise_alpha=5").refused(2, "QLORA-T190: neftune_noise_alpha is 5.0");
        JobConfig plain = job("refused")
                .set("eval_strategy", "no")
                .set("eval_steps", null)
                .build();
        Cli.run("train", plain, "num_processes=2", "shard_base=true").refused(2, "QLORA-T190: shard_base is true");
        Cli.run("train", job, "stage=sft")
                .refused(2, "QLORA-P170: chosen_column is better, which is about preferences");
        Cli.run("train", job, "formatting=alpaca").refused(2, "QLORA-D071: formatting is alpaca");
        Cli.run("train", job, "loss_type=ipo").refused(2, "loss_type is \"ipo\"", "allowed: one of sigmoid");
        Cli.run("plan", job, "max_seq_length=100").done();
        assertThat(Cli.run("plan", job, "max_seq_length=100")
                        .outcome()
                        .get("max_tokens")
                        .asInt())
                .isEqualTo(400);
        assertThat(RunRecord.find(tables, "refused")).isEmpty();
    }
}
