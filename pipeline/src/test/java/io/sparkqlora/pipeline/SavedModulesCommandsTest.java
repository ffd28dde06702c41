// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.NamedTensor;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Modules that are trained whole: the commands on a job. */
class SavedModulesCommandsTest {

    @TempDir
    Path dir;

    @Test
    void aRunIsTrainedEvaluatedExportedAndMerged() {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 12);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .set("max_steps", 2)
                .build();
        String saved = "modules_to_save=[embed_tokens, lm_head, norm]";
        TestSpark.session();
        Ended plan = Cli.run("plan", job, saved).done();
        assertThat(plan.outcome().get("parts").get("gradients").asLong())
                .isGreaterThan(Cli.run("plan", job)
                        .done()
                        .outcome()
                        .get("parts")
                        .get("gradients")
                        .asLong());
        Cli.run("train", job, saved).done();
        Ended evaluated = Cli.run("evaluate", job).done();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());
        Cli.run("generate", job, "--prompt", "say 3", "--max-new-tokens", "3").done();
        Cli.run("export", job, "--out", dir.resolve("adapter").toString()).done();
        Adapter adapter = AdapterFiles.read(dir.resolve("adapter"));
        assertThat(adapter.config().modulesToSave()).containsExactly("embed_tokens", "lm_head", "norm");
        Cli.run(
                        "export",
                        job,
                        "--merge",
                        "float32",
                        "--out",
                        dir.resolve("merged").toString())
                .done();
        try (Checkpoint merged = Checkpoint.open(dir.resolve("merged"))) {
            for (String name : new String[] {"lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"}) {
                NamedTensor trained = adapter.tensors().stream()
                        .filter(tensor -> tensor.name().equals("base_model.model." + name))
                        .findFirst()
                        .orElseThrow();
                assertThat(merged.weights().read(name)).as(name).isEqualTo(ByteBuffer.wrap(trained.data()));
            }
        }
    }

    @Test
    void whatCantBeIsRefusedBeforeAnythingIsWritten() {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 6);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .build();
        Cli.run("train", job, "modules_to_save=[lm_head]", "group_by=tenant")
                .refused(
                        2,
                        "QLORA-P090: modules_to_save is [lm_head] beside group_by: adapters of groups share one base");
        Cli.run("train", job, "modules_to_save=wte").refused(2, "QLORA-T200: modules_to_save has wte");
        Cli.run("train", job, "modules_to_save=[q_proj]").refused(2, "QLORA-T201: modules_to_save has q_proj");
        Cli.run("train", job, "modules_to_save=lm_head", "stage=dpo")
                .refused(2, "QLORA-T203: modules_to_save is not supported in stage: dpo");
        assertThat(Cli.files(dir.resolve("out"))).isEmpty();
    }
}
