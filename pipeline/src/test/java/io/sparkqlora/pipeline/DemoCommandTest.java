// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo, as a newcomer runs it. */
class DemoCommandTest {

    @TempDir
    Path dir;

    @Test
    @Tag("slow")
    void theBaseLearnsToAnswerQuestionsItHasNotSeen() {
        Ended demo = Cli.run(
                        "demo",
                        "--demo-dir",
                        "../demo",
                        "--out",
                        dir.resolve("out").toString())
                .done();
        assertThat(demo.outcome().get("heldout_rows").asInt()).isGreaterThanOrEqualTo(100);
        assertThat(demo.outcome().get("exact_match_before").asDouble()).isLessThan(0.1);
        assertThat(demo.outcome().get("exact_match_after").asDouble()).isGreaterThan(0.9);
        assertThat(Path.of(demo.text("adapter_path")))
                .isDirectoryContaining("glob:**adapter_config.json")
                .isDirectoryContaining("glob:**adapter_model.safetensors");
        assertThat(dir.resolve("out")).isDirectoryContaining("glob:**metrics");
    }
}
