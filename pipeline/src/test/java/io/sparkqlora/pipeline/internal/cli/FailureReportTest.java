// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.PipelineErrors;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FailureReportTest {

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final Console console = new Console(
            new PrintStream(out, true, StandardCharsets.UTF_8), new PrintStream(err, true, StandardCharsets.UTF_8));
    private final FailureReport report = new FailureReport(console);

    @Test
    void anErrorOfTheMachineIsABugAndAnOutcomeLikeOthers() {
        assertThat(report.bug(new NoClassDefFoundError("a/b/C"))).isEqualTo(1);
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo(
                        "{\"status\":\"error\",\"code\":\"QLORA-P000\",\"message\":\"QLORA-P000: NoClassDefFoundError:"
                                + " a/b/C; this is a bug, please report it with --debug's trace\"}\n");
        assertThat(err.toString(StandardCharsets.UTF_8)).startsWith("qlora: QLORA-P000: NoClassDefFoundError");
    }

    @Test
    void anInterruptedCommandHasAStatusOfItsOwn() {
        report.interrupted(PipelineErrors.runInterrupted("r", 4));
        assertThat(out.toString(StandardCharsets.UTF_8))
                .startsWith(
                        "{\"status\":\"interrupted\",\"code\":\"QLORA-P031\",\"message\":\"QLORA-P031: interrupted; run r"
                                + " is committed up to step 4, the same command goes on from there\"}");
    }

    @Test
    void whatFailsWhileASignalEndsTheProcessIsAnInterruption() {
        FailureReport ending = new FailureReport(console, () -> true);
        ending.bug(new IllegalStateException("SparkContext was shut down"));
        assertThat(out.toString(StandardCharsets.UTF_8))
                .isEqualTo("{\"status\":\"interrupted\",\"code\":\"QLORA-P031\",\"message\":\"QLORA-P031: interrupted;"
                        + " run the same command again\"}\n");
        assertThat(err.toString(StandardCharsets.UTF_8)).hasLineCount(1).doesNotContain("shut down");
    }

    @Test
    void thereIsOneOutcomeOnly() {
        console.outcome(Map.of("status", "ok"));
        report.interrupted(PipelineErrors.interrupted());
        console.outcome(Map.of("status", "again"));
        assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo("{\"status\":\"ok\"}\n");
        assertThat(err.toString(StandardCharsets.UTF_8)).isEmpty();
    }
}
