// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.train.AdapterFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The bundle's other commands on a GPU, beside the CPU's results. */
@Tag("gpu")
class GpuCommandsIT {

    private static final double BF16_TOLERANCE = 5e-3;
    private static final int QUESTIONS = 8;

    /** A greedy choice between two tokens that are about as likely may fall otherwise in BF16. */
    private static final int MOST_DIFFERENT = 1;

    @TempDir
    static Path dir;

    private static GpuJob job;

    @BeforeAll
    static void train() throws Exception {
        GpuJob.requireDevice();
        job = GpuJob.in(dir, "one");
        job.run("train").done();
    }

    @Test
    void lossesAreThoseOfTheCpu() throws Exception {
        JsonNode here = job.run("evaluate").done().outcome();
        JsonNode cpu = job.run("evaluate", "--set", "backend=cpu").done().outcome();
        System.err.println("evaluate here and on the CPU:\n" + here + "\n" + cpu);
        for (String loss : List.of("loss", "base_loss")) {
            assertThat(here.get(loss).asDouble()).isCloseTo(cpu.get(loss).asDouble(), within(BF16_TOLERANCE));
        }
        assertThat(here.get("loss").asDouble()).isLessThan(here.get("base_loss").asDouble());
    }

    @Test
    void answersAreThoseOfTheCpu() throws Exception {
        List<String> options = new ArrayList<>(List.of("--max-new-tokens", "24"));
        questions().forEach(question -> options.addAll(List.of("--prompt", question)));
        JsonNode here =
                job.run("generate", options.toArray(String[]::new)).done().outcome();
        options.addAll(List.of("--set", "backend=cpu"));
        JsonNode cpu =
                job.run("generate", options.toArray(String[]::new)).done().outcome();
        System.err.println("generate here and on the CPU:\n" + here + "\n" + cpu);
        assertThat(different(here.get("base"), cpu.get("base"))).isLessThanOrEqualTo(MOST_DIFFERENT);
        assertThat(different(here.get("adapter"), cpu.get("adapter"))).isLessThanOrEqualTo(MOST_DIFFERENT);
        assertThat(different(here.get("base"), here.get("adapter"))).isEqualTo(QUESTIONS);
    }

    private static List<String> questions() throws IOException {
        List<String> questions = new ArrayList<>();
        try (Stream<String> lines = Files.lines(GpuJob.QUESTIONS)) {
            for (String line : lines.limit(QUESTIONS).toList()) {
                JsonNode turns = new ObjectMapper().readTree(line).get("messages");
                questions.add(turns.get(0).get("content").asText());
            }
        }
        return questions;
    }

    private static int different(JsonNode some, JsonNode others) {
        int count = 0;
        for (int i = 0; i < QUESTIONS; i++) {
            count += some.get(i).equals(others.get(i)) ? 0 : 1;
        }
        return count;
    }

    @Test
    void aRunTakesNoMoreMemoryThanPlanned() throws Exception {
        Cli.Ended plan = job.run("plan").done();
        assertThat(plan.text("device")).startsWith(GpuJob.BACKEND);
        assertThat(plan.outcome().get("fits").asBoolean()).isTrue();
        assertThat(job.tables().deviceBytes("one"))
                .isPositive()
                .isLessThanOrEqualTo(plan.outcome().get("total_bytes").asLong());
    }

    @Test
    void exportsWhatTheTablesHold() throws Exception {
        Path folder = dir.resolve("by-command");
        job.run("export", "--out", folder.toString()).done();
        for (String file : List.of(AdapterFiles.CONFIG, AdapterFiles.WEIGHTS)) {
            assertThat(folder.resolve(file))
                    .hasSameBinaryContentAs(job.exported().resolve(file));
        }
    }
}
