// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.internal.run.FailingDevices;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A device that fails under a run: one line, the documented exit code, and the last commit as it was. */
class DeviceFailureTest {

    @TempDir
    Path dir;

    private JobTables tables;

    @BeforeEach
    void prepare() {
        tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
    }

    @Test
    void aLostDeviceEndsTheCommandAndTheNextOneGoesOnBitForBit() {
        JobConfig calm = job("calm");
        Cli.run("train", calm).done();
        JobConfig rough = job("rough");
        try (var devices = FailingDevices.lostAtUpdate(5)) {
            assertThat(devices).isNotNull();
            Cli.run("train", rough)
                    .refused(
                            6,
                            "QLORA-K045: the GPU failed while running kernels: CUDA_ERROR_ILLEGAL_ADDRESS (700)",
                            "run the command again");
        }
        RunRecord failed = RunRecord.find(tables, "rough").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.error()).startsWith("QLORA-K045");
        // steps 4 and on are lost with the device: only the first chunk of 3 counts
        assertThat(failed.lastStep()).isEqualTo(3);
        assertThat(steps(Table.ADAPTERS)).isEqualTo("[3]");
        assertThat(steps(Table.TRAINING_STATE)).isEqualTo("[3]");

        Cli.run("train", rough).done();
        assertThat(SparkQLora.job(rough)
                        .adapter(TestSpark.session(), result("rough"))
                        .tensors())
                .isEqualTo(SparkQLora.job(calm)
                        .adapter(TestSpark.session(), result("calm"))
                        .tensors());
    }

    @Test
    void memoryThatGivesOutEndsTheCommandWithNeedHaveAndFix() {
        try (var devices = FailingDevices.outOfMemoryAtAllocation(3)) {
            assertThat(devices).isNotNull();
            Cli.run("train", job("tight"))
                    .refused(
                            5,
                            "QLORA-K002: not enough memory on ",
                            "for the buffers of a step: needs 4096 bytes, 1024 are free; set recompute to full");
        }
        assertThat(RunRecord.find(tables, "tight").orElseThrow().lastStep()).isZero();
    }

    private RunResult result(String runId) {
        return RunResult.of(RunRecord.find(tables, runId).orElseThrow(), tables, tables.root());
    }

    private String steps(Table table) {
        return tables.read(table)
                .where("run_id = 'rough'")
                .select("step")
                .distinct()
                .collectAsList()
                .toString()
                .replace("[[", "[")
                .replace("]]", "]");
    }

    private JobConfig job(String runId) {
        Path data = dir.resolve("data.jsonl");
        if (!data.toFile().exists()) {
            TestJobs.conversations(data, 20);
        }
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", data.toString())
                .set("run_id", runId)
                .build();
    }
}
