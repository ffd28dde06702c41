// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.GpuJob.BACKEND;
import static io.sparkqlora.pipeline.GpuJob.CUDA;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Too little memory on a GPU: code 5, one line with need, have and fix. */
@Tag("gpu")
class GpuMemoryIT {

    /** More tokens a micro-batch than any device holds. */
    private static final String TOO_LARGE = "per_device_train_batch_size=80000";

    @TempDir
    static Path dir;

    private static GpuJob job;

    @BeforeAll
    static void write() throws IOException {
        GpuJob.requireDevice();
        job = GpuJob.in(dir, "tight");
    }

    @Test
    void aJobTooLargeForTheDeviceIsRefusedBeforeAnythingIsWritten() throws Exception {
        Path output = dir.resolve("none");
        refused(job.run("train", "--set", TOO_LARGE, "--set", "output_dir=" + output), "QLORA-T028");
        assertThat(Cli.files(output)).isEmpty();
    }

    @Test
    void aDeviceThatOthersFillIsRefusedBeforeAnythingIsWritten() throws Exception {
        assumeTrue(CUDA, "SKIPPED: no GPU");
        Path output = dir.resolve("crowded");
        String[] large = {"--set", "per_device_train_batch_size=2000", "--set", "output_dir=" + output};
        JsonNode plan = job.run("plan", large).done().outcome();
        assertThat(plan.get("fits").asBoolean()).isTrue();
        long half = plan.get("total_bytes").asLong() / 2;
        try (Device device = Devices.open(BACKEND);
                Memory held = device.allocate(device.availableBytes() - half, "a test")) {
            assertThat(held.bytes()).isPositive();
            assertThat(job.run("plan", large).done().outcome().get("fits").asBoolean())
                    .isFalse();
            refused(job.run("train", large), "QLORA-T028");
        }
        assertThat(Cli.files(output)).isEmpty();
    }

    /** The check before the run is told that there is room; then the driver has none. */
    @Test
    void memoryThatTheDriverDoesNotGiveEndsTheRun() throws Exception {
        assumeTrue(CUDA, "SKIPPED: no GPU");
        String[] settings = {TOO_LARGE, "max_steps=1", "gradient_accumulation_steps=1"};
        String[] options =
                Arrays.stream(settings).flatMap(s -> Stream.of("--set", s)).toArray(String[]::new);
        try (BundleCommand command = job.startFaulty("memory", "train", options)) {
            refused(command.end(), "QLORA-K002");
        }
        assertThat(job.lastStep()).isZero();
    }

    private static void refused(Cli.Ended ended, String code) {
        System.err.println(ended.outcome());
        ended.refused(5, code, "not enough memory on " + BACKEND, "needs ", " are free; ", "recompute");
    }
}
