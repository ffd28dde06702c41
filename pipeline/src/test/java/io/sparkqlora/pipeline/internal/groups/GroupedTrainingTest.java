// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.Adapters;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.run.GroupProgress;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.delta.DeltaLog;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs of groups, broken ones among them, that are stopped and gone on with. */
class GroupedTrainingTest {

    private static final int GOOD = 12;

    @TempDir
    Path dir;

    private final List<GroupProgress> progress = new ArrayList<>();

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    @Test
    void eachGroupEndsWithAnAdapterOrAReason() {
        Path file = TestJobs.write(dir.resolve("data.jsonl"), good() + broken());
        JobConfig config =
                TestGroups.job(dir, file, 4).set("groups_per_device", 3).build();
        TestGroups groups = TestGroups.of(config, hearing());
        RunRecord run = groups.train(2);

        assertThat(run.status()).isEqualTo(RunRecord.PARTIAL);
        assertThat(run.error()).startsWith("6 of 18 groups failed, for example 'x-disagree' (QLORA-P101: set differs");
        Map<String, String> states = groups.states("many");
        assertThat(states).hasSize(GOOD + 6);
        assertThat(states.values().stream().filter("done"::equals)).hasSize(GOOD);
        assertThat(states)
                .containsEntry("x-diverges", "QLORA-T060")
                .containsEntry("x-disagree", "QLORA-P101")
                .containsEntry("x-no-object", "QLORA-P102")
                .containsEntry("x-rank", "QLORA-P103")
                .containsEntry("x-typo", "QLORA-P104")
                .containsEntry("x-rejected", "QLORA-P100");
        Map<String, String> errors = new TreeMap<>();
        groups.read(Table.GROUPS, "many")
                .where("status = 'failed'")
                .collectAsList()
                .forEach(row -> errors.put(row.getAs("group_key"), row.getAs("error")));
        assertThat(errors.get("x-rank")).contains("set sets r, which all groups of a run share");
        assertThat(errors.get("x-typo"))
                .endsWith("set has an unknown key 'learning_rat'; did you mean 'learning_rate'?");
        assertThat(errors.get("x-rejected")).contains("none of the group's rows can be used (no_assistant_turn: 2)");
        // nothing is trained twice
        assertThat(progress).allMatch(now -> now.done() + now.failed() <= now.total());
        assertThat(progress.get(progress.size() - 1)).isEqualTo(new GroupProgress(GOOD, 6, GOOD + 6));

        // steps: two epochs of 1 to 4 rows, two at once; nothing of those that failed
        List<Row> done =
                groups.read(Table.GROUPS, "many").where("status = 'done'").collectAsList();
        assertThat(done).allSatisfy(row -> {
            long rows = row.getAs("rows");
            assertThat(row.<Long>getAs("steps"))
                    .isEqualTo(2 * ((rows + 1) / 2))
                    .isEqualTo(row.<Long>getAs("total_steps"));
            assertThat(row.<String>getAs("adapter_id"))
                    .isEqualTo("many/" + row.getAs("group_key") + "@" + row.getAs("steps"));
        });
        long steps = done.stream().mapToLong(row -> row.<Long>getAs("steps")).sum();
        assertThat(run.lastStep()).isEqualTo(steps);
        assertThat(groups.metrics("many")).hasSize((int) steps).doesNotHaveDuplicates();
        assertThat(groups.read(Table.ADAPTERS, "many")
                        .select("group_key")
                        .distinct()
                        .count())
                .isEqualTo(GOOD);

        // what failed is tried again, what is done is not
        RunRecord again = groups.with(config, RunObserver.NONE).train(1);
        assertThat(again.status()).isEqualTo(RunRecord.PARTIAL);
        assertThat(groups.states("many")).isEqualTo(states);
        assertThat(groups.metrics("many")).hasSize((int) steps);
    }

    @Test
    void aGroupsAdapterIsThatOfItsRowsAloneWhateverHappensToTheRun() throws IOException {
        Path file = TestJobs.write(dir.resolve("data.jsonl"), good());
        JobConfig calm = TestGroups.job(dir, file, 100).set("run_id", "calm").build();
        TestGroups groups = TestGroups.of(calm, RunObserver.NONE);
        RunRecord undisturbed = groups.train(1);
        assertThat(undisturbed.status()).isEqualTo(RunRecord.FINISHED);

        // other waves, other tasks; a device that fails, a driver that dies, and one that dies while it commits
        JobConfig rough =
                calm.toBuilder().set("run_id", "rough").set("save_steps", 8).build();
        assertThatThrownBy(() -> groups.with(rough, failingAfter(2)).train(2)).hasMessage("QLORA-X001: it burns");
        assertThat(groups.states("rough").values()).contains("waiting").doesNotContain("failed", "running");
        assertThatThrownBy(() -> groups.with(rough, stoppingAfter(1)).train(2)).hasMessage("pulled the plug");
        assertThat(groups.states("rough").values()).contains("done", "running").doesNotContain("failed");
        forgetLastCommit(Table.GROUPS);
        assertThat(groups.states("rough").values()).contains("done", "running", "waiting");
        RunRecord resumed = groups.with(rough, RunObserver.NONE).train(3);
        assertThat(resumed.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(resumed.lastStep()).isEqualTo(undisturbed.lastStep());
        assertThat(groups.metrics("rough")).isEqualTo(groups.metrics("calm")).doesNotHaveDuplicates();

        JobConfig mixed = calm.toBuilder()
                .set("run_id", "mixed")
                .set("groups_per_device", 4)
                .build();
        groups.with(mixed, RunObserver.NONE).train(1);
        Map<String, List<NamedTensor>> expected = groups.adapters("calm");
        Map<String, List<NamedTensor>> together = groups.adapters("mixed");
        assertThat(expected).hasSize(GOOD);
        assertThat(groups.adapters("rough")).isEqualTo(expected);
        expected.forEach((key, adapter) -> Adapters.requireClose(together.get(key), adapter));
        Adapters.requireClose(expected.get("g03"), alone(calm, "g03"));
    }

    /** The adapter of a group's rows in a run of their own. */
    private List<NamedTensor> alone(JobConfig config, String key) {
        Path rows = TestJobs.write(dir.resolve("own.jsonl"), rows(key));
        JobConfig single = config.toBuilder()
                .set("run_id", "single")
                .set("group_by", null)
                .set("group_hyperparameters", null)
                .set("dataset", rows.toString())
                .build();
        return TestGroups.of(single, RunObserver.NONE).ungrouped();
    }

    private RunObserver hearing() {
        return new RunObserver() {
            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onGroups(GroupProgress now) {
                progress.add(now);
            }
        };
    }

    /** In local mode the task's thread tells: what it hears then ends the task, as a device that fails does. */
    private static RunObserver failingAfter(int groups) {
        return new RunObserver() {
            private boolean failed;

            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onGroups(GroupProgress now) {
                if (!failed && now.done() > groups) {
                    failed = true;
                    throw new QLoraException("QLORA-X001", QLoraException.Kind.DEVICE, "it burns", null);
                }
            }
        };
    }

    private static RunObserver stoppingAfter(int commits) {
        return new RunObserver() {
            private int seen;

            @Override
            public void onStep(StepMetrics metrics) {}

            @Override
            public void onCommit(long step) {
                if (++seen == commits) {
                    throw new IllegalStateException("pulled the plug");
                }
            }
        };
    }

    private void forgetLastCommit(Table table) throws IOException {
        Path log = dir.resolve("out").resolve(table.folder()).resolve("_delta_log");
        try (var files = Files.list(log)) {
            Path last = files.filter(file -> file.toString().endsWith(".json"))
                    .sorted()
                    .reduce((first, second) -> second)
                    .orElseThrow();
            Files.delete(last);
            Files.deleteIfExists(log.resolve("." + last.getFileName() + ".crc"));
            Files.deleteIfExists(log.resolve(last.getFileName().toString().replace(".json", ".crc")));
        }
        DeltaLog.clearCache();
    }

    private static String key(int i) {
        return String.format("g%02d", i);
    }

    private static String good() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < GOOD; i++) {
            rows.append(rows(key(i)));
        }
        return rows.toString();
    }

    private static String rows(String key) {
        int number = Integer.parseInt(key.substring(1));
        StringBuilder rows = new StringBuilder();
        for (int row = 0; row < 1 + number % 4; row++) {
            rows.append(TestGroups.row(key, 10 * number + row, null));
        }
        return rows.toString();
    }

    private static String broken() {
        String turnless = "{\"key\":\"x-rejected\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n";
        return TestGroups.row("x-diverges", 1, "{\"learning_rate\": 1e38, \"max_grad_norm\": 0, \"max_steps\": 9}")
                + TestGroups.row("x-disagree", 1, "{\"seed\": 1}")
                + TestGroups.row("x-disagree", 2, "{\"seed\": 2}")
                + TestGroups.row("x-no-object", 1, "[1]")
                + TestGroups.row("x-rank", 1, "{\"r\": 64}")
                + TestGroups.row("x-typo", 1, "{\"learning_rat\": 0.1}")
                + turnless
                + turnless;
    }
}
