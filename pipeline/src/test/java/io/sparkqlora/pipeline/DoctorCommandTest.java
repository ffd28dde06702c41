// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DoctorCommandTest {

    @TempDir
    Path dir;

    @Test
    void thisMachineIsWell() {
        Cli.Ended ended = Cli.run("doctor").done();
        assertThat(states(ended))
                .containsEntry("java", "ok")
                .containsEntry("spark", "ok")
                .containsEntry("delta", "ok")
                .containsEntry("cpu kernels", "ok")
                .containsEntry("tokenizers", "ok")
                .containsEntry("temporary files", "ok")
                .containsKeys("rapids", "driver", "gpu", "memory", "hadoop")
                .doesNotContainKey("dataset");
        assertThat(ended.err()).contains("ok     spark            Spark 4.0.");
    }

    @Test
    void aJobsOwnPartsAreLookedAt() {
        TestJobs.conversations(dir.resolve("data.jsonl"), 3);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", "[\"" + dir.resolve("data.jsonl") + "\", \"a_table\"]")
                .set("eval_dataset", dir.resolve("data.jsonl").toString())
                .build();
        Cli.Ended ended = Cli.run("doctor", job).done();
        assertThat(ended.err()).contains("a_table is no path, so a table's name");
        assertThat(states(ended))
                .containsEntry("eval_dataset", "ok")
                .containsEntry("checkpoint", "ok")
                .containsEntry("dataset", "ok")
                .containsEntry("output_dir", "ok");
        assertThat(dir.resolve("out")).doesNotExist();
    }

    @Test
    void whatIsWrongIsALineEachAndAnExitCode() {
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("none.jsonl").toString())
                .set("model_name_or_path", dir.resolve("base").toString())
                .set("output_dir", "nowhere://bucket/out")
                .build();
        Cli.Ended ended = Cli.run("doctor", job);
        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.text("status")).isEqualTo("wrong");
        assertThat(states(ended))
                .containsEntry("checkpoint", "wrong")
                .containsEntry("dataset", "wrong")
                .containsEntry("output_dir", "wrong")
                .containsEntry("spark", "ok");
        assertThat(ended.err())
                .containsPattern("wrong  checkpoint +QLORA-[TD]\\d+: .*base")
                .contains("none.jsonl does not exist; correct the key dataset")
                .contains("nowhere://bucket/out: No FileSystem for scheme \"nowhere\"; add the connector's jar")
                .doesNotContain("\tat ");
    }

    private static Map<String, String> states(Cli.Ended ended) {
        Map<String, String> states = new TreeMap<>();
        for (JsonNode finding : ended.outcome().get("findings")) {
            states.put(finding.get("part").asText(), finding.get("state").asText());
        }
        return states;
    }
}
