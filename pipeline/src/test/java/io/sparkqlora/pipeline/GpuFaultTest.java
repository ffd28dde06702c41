// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A kernel that really writes outside its memory, in a process of its own. */
@Tag("gpu")
class GpuFaultTest {

    @TempDir
    Path dir;

    @Test
    void aFaultyKernelEndsItsProcessWithTheDocumentedCode() throws Exception {
        requireGpu();
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .set("run_id", "faulty")
                .set("backend", "cuda")
                .build();
        File out = dir.resolve("stdout").toFile();
        File err = dir.resolve("stderr").toFile();
        int code = new ProcessBuilder(Cli.java(FaultyGpuMain.class, "train", job))
                .redirectOutput(out)
                .redirectError(err)
                .start()
                .waitFor();
        assertThat(code).as(Files.readString(err.toPath())).isEqualTo(6);
        JsonNode outcome = Cli.lastLine(Files.readString(out.toPath()));
        assertThat(outcome.get("code").asText()).isEqualTo("QLORA-K045");
        assertThat(outcome.get("message").asText()).contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)");
        RunRecord run = RunRecord.find(new JobTables(TestSpark.session(), job.get(ConfigKeys.OUTPUT_DIR)), "faulty")
                .orElseThrow();
        assertThat(run.lastStep()).isEqualTo(3);

        // another process has a GPU that works
        Cli.run("train", job).done();
    }

    private static void requireGpu() {
        try {
            Devices.open("cuda").close();
        } catch (QLoraException e) {
            System.err.println("A TEST ON cuda IS SKIPPED: " + e.getMessage());
            Assumptions.abort(e.getMessage());
        }
    }
}
