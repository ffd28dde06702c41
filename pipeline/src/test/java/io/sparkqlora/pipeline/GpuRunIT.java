// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.GpuJob.CUDA;
import static io.sparkqlora.pipeline.GpuJob.SAVE_STEPS;
import static io.sparkqlora.pipeline.GpuJob.STEPS;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.train.AdapterFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training by the bundle on a GPU, under kills, signals and faults: what comes out is what an undisturbed run gives. */
@Tag("gpu")
class GpuRunIT {

    private static final int KILLS = 2;
    private static final Pattern NVIDIA = Pattern.compile(".*/(lib(?:cu|nv|nccl)[^/]*\\.so[^/]*)");

    @TempDir
    static Path dir;

    private static GpuJob calm;
    private static long calmMillis;
    private static Set<String> mapped;

    /** The undisturbed run. While it trains, it is written down which libraries its process has mapped. */
    @BeforeAll
    static void trainUndisturbed() throws Exception {
        GpuJob.requireDevice();
        calm = GpuJob.in(dir, "calm");
        try (BundleCommand command = calm.start("train")) {
            command.awaitLine("run calm: ");
            long start = System.nanoTime();
            calm.awaitCommit(command);
            mapped = mapped(command.pid());
            Cli.Ended ended = command.end().done();
            calmMillis = (System.nanoTime() - start) / 1_000_000;
            assertThat(ended.text("device")).startsWith(GpuJob.BACKEND);
        }
        assertThat(calm.tables().metrics("calm")).hasSize(STEPS);
    }

    private static Set<String> mapped(long pid) throws IOException {
        Set<String> names = new TreeSet<>();
        for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/maps"))) {
            Matcher library = NVIDIA.matcher(line);
            if (library.matches()) {
                names.add(library.group(1));
            }
        }
        return names;
    }

    @Test
    void nothingOfCudaButTheDriverIsLoaded() {
        assumeTrue(CUDA, "SKIPPED: no GPU");
        System.err.println("NVIDIA's libraries in the training process: " + mapped);
        assertThat(mapped).anyMatch(name -> name.startsWith("libcuda.so"));
        assertThat(mapped).allMatch(name -> name.matches("libcuda(debugger)?\\.so.*|libnvidia-.*"));
    }

    @Test
    void theSameSeedGivesTheSameBytes() throws Exception {
        GpuJob job = GpuJob.in(dir, "again");
        job.run("train").done();
        assertUndisturbed(job, "the same seed");
    }

    @Test
    void aRunKilledTwiceEndsAsAnUndisturbedOne() throws Exception {
        GpuJob job = GpuJob.in(dir, "killed");
        Random random = new Random();
        List<Long> committed = new ArrayList<>();
        for (int kill = 0; kill < KILLS; kill++) {
            try (BundleCommand command = job.start("train")) {
                command.awaitLine("run killed: ");
                command.assertRunsFor(random.nextLong(calmMillis / KILLS));
            }
            committed.add(job.lastStep());
        }
        job.run("train").done();
        System.err.println("killed after commits of steps " + committed + " of " + STEPS);
        assertUndisturbed(job, "killed after commits of steps " + committed);
    }

    @Test
    void aFaultyKernelEndsItsOwnProcessOnly() throws Exception {
        GpuJob job = GpuJob.in(dir, "faulty");
        int committed = 2 * SAVE_STEPS;
        String failure = (CUDA ? "fault=" : "lost=") + (committed + 2);
        try (BundleCommand command = job.startFaulty(failure, "train")) {
            Cli.Ended ended = command.end()
                    .refused(6, "the GPU failed while ", "CUDA_ERROR_ILLEGAL_ADDRESS (700)", "run the command again");
            System.err.println(ended.outcome());
            assertThat(ended.text("code")).isEqualTo("QLORA-K045");
        }
        RunRecord failed = job.tables().find("faulty").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.error()).startsWith("QLORA-K045");
        assertThat(failed.lastStep()).isEqualTo(committed);
        assertThat(job.tables().metrics("faulty"))
                .isEqualTo(calm.tables().metrics("calm").subList(0, committed));

        // another process has a GPU that works
        job.run("train").done();
        assertUndisturbed(job, "a fault after step " + committed);
    }

    @Test
    void aSignalInterruptsAndTheSameCommandGoesOn() throws Exception {
        GpuJob job = GpuJob.in(dir, "stopped");
        try (BundleCommand command = job.start("train")) {
            job.awaitCommit(command);
            command.terminate();
            Cli.Ended ended = command.end();
            System.err.println(ended.outcome());
            assertThat(ended.code()).as(ended.err()).isEqualTo(143);
            assertThat(ended.text("status")).isEqualTo("interrupted");
            assertThat(ended.text("message"))
                    .isEqualTo("QLORA-P031: interrupted; run stopped is committed up to step " + job.lastStep()
                            + ", the same command goes on from there");
            assertThat(ended.err()).doesNotContain("Exception");
        }
        assertThat(job.tables().find("stopped").orElseThrow().status()).isEqualTo(RunRecord.INTERRUPTED);
        job.run("train").done();
        assertUndisturbed(job, "a signal");
    }

    /** A run's exported adapter and its metrics are those of the undisturbed run, no row missing, none twice. */
    private static void assertUndisturbed(GpuJob job, String why) {
        assertThat(job.exported().resolve(AdapterFiles.WEIGHTS))
                .as(why)
                .hasSameBinaryContentAs(calm.exported().resolve(AdapterFiles.WEIGHTS));
        assertThat(job.tables().metrics(job.runId()))
                .as(why)
                .isEqualTo(calm.tables().metrics("calm"));
    }
}
