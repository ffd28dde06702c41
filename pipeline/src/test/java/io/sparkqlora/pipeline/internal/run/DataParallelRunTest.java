// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.pipeline.Cli;
import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs of several ranks; here they are threads of one JVM. */
class DataParallelRunTest {

    private static final int BATCHES = 4;

    @TempDir
    static Path dir;

    private static JobTables tables;

    /** Undisturbed runs; the others end as they do. */
    @BeforeAll
    static void prepare() {
        tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        TestJobs.conversations(dir.resolve("data.jsonl"), 60);
        Cli.run("train", job("one", 1)).done();
        Cli.run("train", job("two", 2)).done();
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    @Test
    void twoRanksGiveTheLossesOfOne() {
        List<Row> expected = metrics("one");
        assertThat(expected).hasSize(5);
        List<Row> got = metrics("two");
        assertThat(got).hasSameSizeAs(expected);
        for (int i = 0; i < got.size(); i++) {
            double loss = expected.get(i).getDouble(1);
            assertThat(got.get(i).getDouble(1)).isCloseTo(loss, within(1e-4 * loss));
            assertThat(got.get(i).getLong(2)).isEqualTo(expected.get(i).getLong(2));
            assertThat(got.get(i).getLong(3)).isEqualTo(expected.get(i).getLong(3));
        }
        Cli.run("train", job("one", 1), "num_processes=2")
                .refused(2, "QLORA-P038: run one was started with num_processes = 1, this job has 2");
    }

    @Test
    void theSameNumberOfRanksGivesTheSameBitsAndSoDoesOneThatFailedOnce() {
        Cli.run("train", job("again", 2)).done();
        AtomicInteger failures = new AtomicInteger();
        try (var devices = rankOneAtUpdate(5, device -> {
            if (failures.getAndIncrement() == 0) {
                throw new IllegalStateException("boom");
            }
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", job("rough", 2)).done();
        }
        assertThat(failures).hasValueGreaterThan(0);
        for (String run : List.of("again", "rough")) {
            assertThat(adapter(run)).isEqualTo(adapter("two"));
            assertThat(metrics(run)).isEqualTo(metrics("two"));
        }
    }

    @Test
    void aRankThatHangsIsNamedAndTheRunGoesOnLater() {
        JobConfig hanging = job("hanging", 2).toBuilder().set("ddp_timeout", 4).build();
        AtomicInteger hung = new AtomicInteger();
        try (var devices = rankOneAtUpdate(1, device -> {
            hung.incrementAndGet();
            hangUntilKilled();
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", hanging)
                    .refused(
                            8,
                            "QLORA-T100: rank 1 (",
                            " was silent for 4.",
                            "(step 2, run hanging, chunk 0, attempt ",
                            "raise ddp_timeout");
        }
        assertThat(hung).as("as often as Spark tries a stage").hasValue(TestSpark.STAGE_ATTEMPTS);
        RunRecord failed = RunRecord.find(tables, "hanging").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.error()).startsWith("QLORA-T100: rank 1 (");

        // with time enough the same command goes on
        Cli.run("train", hanging, "ddp_timeout=60").done();
        assertThat(adapter("hanging")).isEqualTo(adapter("two"));
    }

    @Test
    @Tag("slow")
    void ranksThatEachKeepAPartOfTheBaseGiveTheSameBitsAndOneTaskEvaluatesThem() {
        JobConfig sharded =
                job("sharded", 2).toBuilder().set("shard_base", true).build();
        AtomicInteger failures = new AtomicInteger();
        try (var devices = rankOneAtUpdate(5, device -> {
            if (failures.getAndIncrement() == 0) {
                throw new IllegalStateException("boom");
            }
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", sharded).done();
        }
        assertThat(failures).hasValueGreaterThan(0);
        assertThat(adapter("sharded")).isEqualTo(adapter("two"));
        assertThat(metrics("sharded")).isEqualTo(metrics("two"));
        Ended evaluated = Cli.run("evaluate", sharded).done();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());
        Cli.run("generate", sharded, "--prompt", "say 1", "--max-new-tokens", "2")
                .done();
        Cli.run("export", sharded, "--out", dir.resolve("exported").toString()).done();
    }

    @Test
    @Tag("slow")
    void aRunGoesOnWithAPartOfTheBase() {
        try (var devices = rankOneAtUpdate(4, device -> {
            throw KernelErrors.outOfMemory(device.name(), "a test", 2, 1, "go on");
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", job("turned", 2)).refused(5, "not enough memory", "go on");
        }
        assertThat(RunRecord.find(tables, "turned").orElseThrow().lastStep()).isBetween(3L, 4L);
        Cli.run("train", job("turned", 2), "shard_base=true").done();
        assertThat(adapter("turned")).isEqualTo(adapter("two"));
        assertThat(metrics("turned")).isEqualTo(metrics("two"));
    }

    /** Devices of rank 1 on which something happens before their n-th update. */
    private static FailingDevices rankOneAtUpdate(int update, Consumer<Device> action) {
        return FailingDevices.atUpdate(update, device -> {
            if (TaskContext.getPartitionId() == 1) {
                action.accept(device);
            }
        });
    }

    /** Spark kills what is left of a stage that failed. */
    private static void hangUntilKilled() {
        for (int i = 0; i < 3_000 && !TaskContext.get().isInterrupted(); i++) {
            LockSupport.parkNanos(20_000_000);
        }
    }

    private static JobConfig job(String runId, int ranks) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("per_device_train_batch_size", 1)
                .set("gradient_accumulation_steps", BATCHES / ranks)
                .set("num_processes", ranks)
                .build();
    }

    private static List<NamedTensor> adapter(String runId) {
        RunRecord run = RunRecord.find(tables, runId).orElseThrow();
        assertThat(run.lastStep()).isEqualTo(5);
        return new AdapterStore(tables).read(run, run.lastStep()).tensors();
    }

    private static List<Row> metrics(String runId) {
        return tables.read(Table.METRICS)
                .where("run_id = '" + runId + "'")
                .orderBy("step")
                .select("step", "loss", "num_tokens", "num_target_tokens", "grad_norm")
                .collectAsList();
    }
}
