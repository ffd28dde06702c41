// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs whose loss stops being a number, through the command line. */
class DivergenceTest {

    @TempDir
    Path dir;

    private JobConfig job;

    @BeforeEach
    void prepare() {
        TestSpark.session();
        job = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 60).toString())
                .set("run_id", "wild")
                .set("learning_rate", 1e30)
                .set("max_grad_norm", 0)
                .build();
    }

    @Test
    void aLearningRateThatIsFarTooHighEndsTheRunAndKeepsTheLastGoodState() {
        Ended ended = Cli.run("train", job)
                .refused(
                        4,
                        "QLORA-P039: run wild has diverged, its last good state is that of step ",
                        " at learning rate ",
                        "lower learning_rate",
                        "train under another run_id");
        RunRecord recorded = recorded();
        assertThat(recorded.status()).isEqualTo(RunRecord.DIVERGED);
        assertThat(recorded.lastStep()).isBetween(1L, 4L);
        assertThat(ended.text("message"))
                .contains("is that of step " + recorded.lastStep() + " (step " + (recorded.lastStep() + 1)
                        + " gave loss NaN and gradient norm NaN");

        // the same again says the same; the state that was kept can be had; another learning rate is another run
        Cli.run("train", job).refused(4, ended.text("message"));
        Ended exported = Cli.run("export", job, "--out", dir.resolve("adapter").toString())
                .done();
        assertThat(exported.text("adapter_id")).isEqualTo("wild@" + recorded.lastStep());
        Cli.run("train", job, "learning_rate=1e-4").refused(2, "QLORA-P038", "set another run_id");
        Cli.run("train", job, "learning_rate=1e-4", "run_id=tame").done();
    }

    @Test
    void aCheckpointWithAnInfiniteNormDivergesAtOnceAndLeavesNoAdapter() throws IOException {
        Path base = TestJobs.copyOfBase(dir.resolve("damaged"));
        putInfinity(base, "model.layers.0.input_layernorm.weight");
        Cli.run("train", job, "model_name_or_path=" + base, "learning_rate=1e-4")
                .refused(4, "QLORA-P039", "is that of step 0 (step 1 gave loss NaN");
        assertThat(recorded().lastStep()).isZero();
        Cli.run("generate", job, "model_name_or_path=" + base, "--prompt", "say 1")
                .refused(2, "QLORA-P036: no adapter of run wild");
    }

    private RunRecord recorded() {
        return RunRecord.find(new JobTables(TestSpark.session(), job.get(RunKeys.OUTPUT_DIR)), "wild")
                .orElseThrow();
    }

    /** Overwrites a tensor's first element; the tensor's bytes are found by what they are. */
    private static void putInfinity(Path base, String tensor) throws IOException {
        byte[] part = new byte[64];
        try (Checkpoint checkpoint = Checkpoint.open(base)) {
            ByteBuffer weights = checkpoint.weights().read(tensor);
            weights.get(part);
        }
        Path file = base.resolve("model.safetensors");
        byte[] all = Files.readAllBytes(file);
        int at = indexOf(all, part);
        // infinity in BF16, little-endian
        all[at] = (byte) 0x80;
        all[at + 1] = 0x7f;
        Files.write(file, all);
    }

    private static int indexOf(byte[] all, byte[] part) {
        for (int at = 0; at + part.length <= all.length; at++) {
            if (java.util.Arrays.equals(all, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        throw new AssertionError("the tensor is not in the file");
    }
}
