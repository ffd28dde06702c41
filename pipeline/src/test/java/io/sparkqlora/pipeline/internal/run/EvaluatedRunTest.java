// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.report.EventReader;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Evaluations between the steps of a run. */
@Tag("slow")
class EvaluatedRunTest {

    private static final RunDevice DEVICE = RunDevices.here("cpu");

    @TempDir
    Path dir;

    private JobTables tables;
    private TokenData data;
    private TokenData heldOut;
    private BaseModel base;
    private final List<String> said = new ArrayList<>();

    @BeforeEach
    void prepare() {
        tables = new JobTables(TestSpark.session(), dir.toString());
        data = TestShards.write(tables, 10);
        heldOut = TestShards.write(tables, "held-out", 5, 7);
        base = BaseModel.open(TestJobs.base());
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private static JobConfigBuilder job(Path dir, String runId) {
        return TestJobs.small(dir)
                .set("run_id", runId)
                .set("eval_strategy", "steps")
                .set("eval_steps", 2)
                .set("validation_split_percentage", 30);
    }

    private RunRecord train(JobConfig config, TokenData evaluated, String endsAt) {
        RunObserver observer = new RunObserver() {
            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onMessage(String message) {
                said.add(message);
                if (endsAt != null && message.startsWith(endsAt)) {
                    throw new IllegalStateException("pulled the plug");
                }
            }
        };
        return new RunDriver(tables, config, observer).train(base, data, evaluated, DEVICE);
    }

    private List<Row> metrics(String runId, String where) {
        return tables.read(Table.METRICS)
                .where("run_id = '" + runId + "' AND " + where)
                .orderBy("step")
                .select("step", "loss", "eval_loss", "num_target_tokens", "grad_norm", "learning_rate")
                .collectAsList();
    }

    private List<NamedTensor> adapter(String runId, long step) {
        RunRecord run = RunRecord.find(tables, runId).orElseThrow();
        return new AdapterStore(tables).read(run, step).tensors();
    }

    @Test
    void evaluationsAreRowsOfMetricsAndChangeNothingOfTheRun() {
        train(TestJobs.small(dir).set("run_id", "plain").build(), null, null);
        train(job(dir, "calm").build(), heldOut, null);
        assertThat(adapter("calm", 5)).isEqualTo(adapter("plain", 5));
        assertThat(metrics("calm", "loss IS NOT NULL")).isEqualTo(metrics("plain", "true"));
        List<Row> evaluations = metrics("calm", "eval_loss IS NOT NULL");
        assertThat(evaluations).extracting(row -> row.getLong(0)).containsExactly(2L, 4L, 5L);
        assertThat(evaluations).allSatisfy(row -> {
            assertThat(row.isNullAt(1)).isTrue();
            assertThat(row.getLong(3)).isEqualTo(heldOut.numTargetTokens());
        });
        assertThat(said).filteredOn(message -> message.contains("eval_loss")).hasSize(3);
        killed();
        ranks(evaluations);
    }

    /** A run that is killed between an evaluation and the next chunk goes on to the same bits, but not on other rows. */
    private void killed() {
        JobConfig rough = job(dir, "rough").set("report_to", "tensorboard").build();
        assertThatThrownBy(() -> train(rough, heldOut, "step 2")).hasStackTraceContaining("pulled the plug");
        TokenData other = TestShards.write(tables, "others", 5, 8);
        assertThatThrownBy(() -> train(rough, other, null))
                .hasMessageStartingWith("QLORA-P038: run rough was started with the data of evaluations (dataset_id) = "
                        + "held-out, this job has others");
        RunRecord run = train(rough, heldOut, null);
        assertThat(run.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(run.inputs().evalDatasetId()).isEqualTo("held-out");
        assertThat(metrics("rough", "true")).isEqualTo(metrics("calm", "true")).hasSize(8);
        assertThat(adapter("rough", 5)).isEqualTo(adapter("calm", 5));
        // what was committed before the kill is told after it
        List<Long> steps = new ArrayList<>();
        for (int chunk = 0; chunk < 3; chunk++) {
            Path file = dir.resolve("tensorboard/rough/events.out.tfevents.000000000" + chunk + ".spark-qlora");
            EventReader.read(file).stream().skip(1).forEach(event -> steps.add(event.step()));
        }
        assertThat(steps).containsExactlyInAnyOrder(1L, 2L, 2L, 3L, 4L, 4L, 5L, 5L);
    }

    private void ranks(List<Row> one) {
        JobConfig config = job(dir, "two")
                .set("num_processes", 2)
                .set("gradient_accumulation_steps", 1)
                .build();
        train(config, heldOut, null);
        List<Row> two = metrics("two", "eval_loss IS NOT NULL");
        assertThat(two).hasSameSizeAs(one);
        for (int i = 0; i < one.size(); i++) {
            assertThat(two.get(i).getDouble(2)).isCloseTo(one.get(i).getDouble(2), within(1e-4));
        }
        parts(config);
    }

    /** Of ranks that have the base in parts between them, through a kill; the losses are those of whole bases, bit for bit. */
    private void parts(JobConfig whole) {
        JobConfig parts =
                whole.toBuilder().set("run_id", "parts").set("shard_base", true).build();
        assertThatThrownBy(() -> train(parts, heldOut, "step 2")).hasStackTraceContaining("pulled the plug");
        assertThat(train(parts, heldOut, null).status()).isEqualTo(RunRecord.FINISHED);
        assertThat(metrics("parts", "true")).isEqualTo(metrics("two", "true"));
        assertThat(adapter("parts", 5)).isEqualTo(adapter("two", 5));
    }

    /** What it learns has nothing to do with what is held out: with a large rate that gets worse soon. */
    @Test
    void aRunThatGetsWorseEndsEarlyWithItsBestAdapter() {
        JobConfig config = job(dir, "early")
                .set("eval_steps", 1)
                .set("max_steps", 12)
                .set("learning_rate", 0.05)
                .set("early_stopping_patience", 2)
                .set("load_best_model_at_end", true)
                .build();
        assertThatThrownBy(() -> train(config, heldOut, "step 2")).hasStackTraceContaining("pulled the plug");
        RunRecord run = train(config, heldOut, null);
        assertThat(run.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(run.lastStep()).isBetween(3L, 11L);
        EvalHistory history = EvalHistory.read(tables, config, "early", run.lastStep());
        long best = history.best().orElseThrow().step();
        assertThat(best).isEqualTo(run.lastStep() - 2);
        assertThat(RunChoice.bestStep(tables, run)).isEqualTo(best);
        assertThat(said).anySatisfy(message -> assertThat(message)
                .startsWith("stopped after step " + run.lastStep() + " of 12: eval_loss has not improved in 2"));
        said.clear();
        assertThat(train(config, heldOut, null).lastStep()).isEqualTo(run.lastStep());
        assertThat(said).singleElement().asString().contains("is finished");
    }
}
