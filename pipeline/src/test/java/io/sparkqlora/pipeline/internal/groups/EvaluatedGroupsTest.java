// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.job.EvaluateJob;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Groups that are measured while they are trained, each on rows of its own. */
@Tag("slow")
class EvaluatedGroupsTest {

    @TempDir
    Path dir;

    private final List<String> said = new ArrayList<>();
    private Path file;
    private Path heldOut;

    @BeforeEach
    void prepare() {
        file = TestJobs.write(
                dir.resolve("data.jsonl"), rows("alpha", 4, 10) + rows("beta", 3, 20) + rows("few", 2, 30));
        heldOut = TestJobs.write(
                dir.resolve("held-out.jsonl"), rows("beta", 3, 50) + rows("alpha", 2, 60) + rows("nobody", 2, 70));
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private static String rows(String key, int count, int from) {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < count; i++) {
            rows.append(TestGroups.row(key, from + i, null));
        }
        return rows.toString();
    }

    private JobConfigBuilder job(String runId) {
        return TestGroups.job(dir, file, 100)
                .set("run_id", runId)
                .set("eval_dataset", heldOut.toString())
                .set("eval_strategy", "steps");
    }

    /** Hears what is said, and may end the driver after a commit. */
    private RunObserver observer(int lastCommit) {
        return new RunObserver() {
            private int commits;

            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onMessage(String message) {
                said.add(message);
            }

            @Override
            public void onCommit(long step) {
                if (++commits == lastCommit) {
                    throw new IllegalStateException("pulled the plug");
                }
            }
        };
    }

    private static List<Row> evaluations(TestGroups groups, String runId) {
        return groups.read(Table.METRICS, runId)
                .where("eval_loss IS NOT NULL")
                .orderBy("group_key", "step")
                .select("group_key", "step", "eval_loss", "num_target_tokens", "loss")
                .collectAsList();
    }

    private static List<String> steps(List<Row> evaluations) {
        return evaluations.stream()
                .map(row -> row.getString(0) + " " + row.getLong(1))
                .toList();
    }

    @Test
    void eachGroupIsMeasuredOnItsOwnRowsAndNothingElseIsChanged() {
        JobConfig config = job("many").set("eval_steps", 3).build();
        TestGroups groups = TestGroups.of(config, observer(0));
        assertThat(groups.train(1).inputs().evalDatasetId()).isNotNull();
        List<Row> evaluations = evaluations(groups, "many");
        assertThat(steps(evaluations)).containsExactly("alpha 3", "alpha 4", "beta 3", "beta 4");
        assertThat(evaluations).allSatisfy(row -> assertThat(row.isNullAt(4)).isTrue());
        assertThat(said)
                .contains("1 of 3 groups have no row that is held out and are trained without evaluations, for example "
                        + "'few'");

        Workspace work = Workspace.open(TestSpark.session(), config, RunObserver.NONE);
        for (Row last : List.of(evaluations.get(1), evaluations.get(3))) {
            Evaluation after = EvaluateJob.measure(work, RunChoice.of(work, "many", last.getString(0), null));
            assertThat(last.getDouble(2)).isCloseTo(after.loss(), within(1e-5));
            assertThat(last.getLong(3)).isEqualTo(after.numTargetTokens());
        }

        JobConfig plain = config.toBuilder()
                .set("run_id", "plain")
                .set("eval_strategy", null)
                .set("eval_steps", null)
                .build();
        groups.with(plain, RunObserver.NONE).train(1);
        assertThat(groups.adapters("many")).hasSize(3).isEqualTo(groups.adapters("plain"));
        assertThat(groups.metrics("many")).containsAll(groups.metrics("plain"));
    }

    /** What is held out has nothing to do with what is learned: with a large rate it gets worse soon. */
    @Test
    void aGroupThatGetsWorseEndsEarlyWithItsBestAdapterThroughKills() {
        JobConfig calm = job("calm")
                .set("eval_steps", 1)
                .set("num_train_epochs", 10)
                .set("learning_rate", 0.05)
                .set("early_stopping_patience", 2)
                .set("load_best_model_at_end", true)
                .build();
        TestGroups groups = TestGroups.of(calm, RunObserver.NONE);
        RunRecord run = groups.train(1);
        assertThat(run.status()).isEqualTo(RunRecord.FINISHED);
        List<Row> evaluations = evaluations(groups, "calm");
        Workspace work = Workspace.open(TestSpark.session(), calm, RunObserver.NONE);
        for (String key : List.of("alpha", "beta")) {
            Row best = evaluations.stream()
                    .filter(row -> row.getString(0).equals(key))
                    .min(Comparator.comparing(row -> row.getDouble(2)))
                    .orElseThrow();
            Row group = group(groups, "calm", key);
            assertThat(group.<Long>getAs("steps"))
                    .isEqualTo(best.getLong(1) + 2)
                    .isLessThan(group.<Long>getAs("total_steps"));
            assertThat(group.<String>getAs("adapter_id")).isEqualTo("calm/" + key + "@" + best.getLong(1));
            assertThat(RunChoice.of(work, "calm", key, null).source().step()).isEqualTo(best.getLong(1));
        }
        // nothing is measured of it, so it makes all its steps
        Row few = group(groups, "calm", "few");
        assertThat(few.<Long>getAs("steps")).isEqualTo(few.<Long>getAs("total_steps"));

        JobConfig rough =
                calm.toBuilder().set("run_id", "rough").set("save_steps", 2).build();
        assertThatThrownBy(() -> groups.with(rough, observer(1)).train(1)).hasMessage("pulled the plug");
        assertThat(groups.states("rough").values()).contains("done", "running");
        assertThat(groups.with(rough, RunObserver.NONE).train(1).lastStep()).isEqualTo(run.lastStep());
        assertThat(groups.adapters("rough")).isEqualTo(groups.adapters("calm"));
        assertThat(evaluations(groups, "rough")).isEqualTo(evaluations);
        assertThat(groups.metrics("rough")).isEqualTo(groups.metrics("calm"));
    }

    private static Row group(TestGroups groups, String runId, String key) {
        return groups.read(Table.GROUPS, runId)
                .where("group_key = '" + key + "'")
                .first();
    }
}
