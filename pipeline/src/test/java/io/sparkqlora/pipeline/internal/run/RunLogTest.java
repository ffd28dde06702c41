// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.observe.RunLog;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.MDC;

/** What a line of the log says of where it comes from: the logging context while a task trains. */
class RunLogTest {

    @TempDir
    Path dir;

    @AfterEach
    void realDevices() {
        RunDevices.openWith(Devices::open);
    }

    @Test
    void aTaskOfARunLogsRunChunkAndRank() {
        List<Map<String, String>> contexts = new CopyOnWriteArrayList<>();
        RunDevices.openWith(name -> {
            if (MDC.get("run_id") != null) {
                contexts.add(MDC.getCopyOfContextMap());
            }
            return Devices.open(name);
        });
        SparkQLora.job(TestJobs.small(dir.resolve("out"))
                        .set(
                                "dataset",
                                TestJobs.conversations(dir.resolve("data.jsonl"), 10)
                                        .toString())
                        .set("run_id", "logged")
                        .build())
                .train(TestSpark.session());
        assertThat(contexts).singleElement().satisfies(context -> assertThat(context)
                .containsEntry("run_id", "logged")
                .containsEntry("chunk", "0")
                .containsEntry("rank", "0"));
    }

    @Test
    void theContextEndsWithTheTask() {
        try (RunLog log = RunLog.open("r", 4, 2)) {
            assertThat(log).isNotNull();
            assertThat(MDC.get("run_id") + MDC.get("chunk") + MDC.get("rank")).isEqualTo("r42");
        }
        assertThat(MDC.get("run_id")).isNull();
        assertThat(MDC.get("chunk")).isNull();
        assertThat(MDC.get("rank")).isNull();
    }
}
