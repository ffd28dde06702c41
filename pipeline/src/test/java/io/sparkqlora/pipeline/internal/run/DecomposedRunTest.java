// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.pipeline.Cli;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code init_lora_weights: pissa} and {@code loftq} through the commands. */
@Tag("slow")
class DecomposedRunTest {

    @TempDir
    Path dir;

    private JobTables tables;

    @BeforeEach
    void prepare() {
        tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        TestJobs.conversations(dir.resolve("data.jsonl"), 20);
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private JobConfigBuilder job(String runId) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("max_seq_length", 48)
                .set("learning_rate", 1e-3)
                .set("validation_split_percentage", 30);
    }

    private List<NamedTensor> adapter(String runId) {
        RunRecord run = RunRecord.find(tables, runId).orElseThrow();
        return new AdapterStore(tables).read(run, 5).tensors();
    }

    private double lastLoss(String runId) {
        return tables.read(Table.METRICS)
                .where("run_id = '" + runId + "' AND loss IS NOT NULL AND step = 5")
                .select("loss")
                .first()
                .getDouble(0);
    }

    @ParameterizedTest
    @CsvSource({"pissa, {}", "pissa_niter_4, {}", "loftq, {loftq_iter: 2}"})
    void trainsGoesOnAndIsTakenToTheCheckpoint(String init, String loftq) {
        JobConfig calm = job("calm").set("init_lora_weights", init).build();
        Cli.run("train", calm, "loftq_config=" + loftq).done();
        killed(init, loftq);
        ranks(init, loftq);

        JsonNode measured = Cli.run("evaluate", calm).done().outcome();
        double gained =
                measured.get("base_loss").asDouble() - measured.get("loss").asDouble();
        assertThat(gained).isPositive();
        JsonNode said = Cli.run("generate", calm, "--prompt", "say 3", "--max-new-tokens", "3")
                .done()
                .outcome();
        assertThat(said.get("adapter")).hasSize(1);

        Path files = dir.resolve("adapter");
        JsonNode exported =
                Cli.run("export", calm, "--out", files.toString()).done().outcome();
        assertThat(exported.get("r").asInt()).isEqualTo(8);
        assertThat(exported.get("base").asText()).isEqualTo("unquantized");
        Adapter converted = AdapterFiles.read(files);
        assertThat(converted.config().r()).isEqualTo(8);
        assertThat(converted.config().scaling("model.layers.0.self_attn.q_proj"))
                .isEqualTo(2);
        assertThat(converted.config().initLoraWeights()).isEqualTo(InitLoraWeights.TRUE);

        // the merged checkpoint has the weights that were trained: without an adapter it has the run's loss
        Path merged = dir.resolve("merged");
        Cli.run("export", calm, "--merge", "float32", "--out", merged.toString())
                .done();
        JobConfig dense = job("dense")
                .set("model_name_or_path", merged.toString())
                .set("load_in_4bit", false)
                .set("max_steps", 1)
                .set("save_steps", 1)
                .build();
        Cli.run("train", dense).done();
        JsonNode ofMerged = Cli.run("evaluate", dense).done().outcome();
        assertThat(ofMerged.get("base_loss").asDouble())
                .isCloseTo(measured.get("loss").asDouble(), within(1e-4));

        // the converted one goes on over the checkpoint as it is stored
        JobConfig on = job("on")
                .set("adapter_name_or_path", files.toString())
                .set("load_in_4bit", false)
                .set("r", 8)
                .set("lora_alpha", 16)
                .set("learning_rate", 1e-30)
                .build();
        Cli.run("train", on).done();
        JsonNode beside = Cli.run("evaluate", on).done().outcome();
        assertThat(beside.get("loss").asDouble())
                .isCloseTo(
                        measured.get("loss").asDouble()
                                + beside.get("base_loss").asDouble()
                                - measured.get("base_loss").asDouble(),
                        within(0.2 * gained));
        Cli.run("combine", calm, "--adapters", "calm," + files, "--weights", "1,1", "--out", "x")
                .refused(2, "QLORA-T218: adapter 1 of those to combine was trained with init_lora_weights: ");
        Cli.run("combine", calm, "--adapters", files + "," + files, "--weights", "1,-1", "--out", dir.resolve("c") + "")
                .done();
    }

    private void killed(String init, String loftq) {
        JobConfig rough = job("rough").set("init_lora_weights", init).build();
        try (var devices = FailingDevices.atUpdate(4, device -> {
            throw KernelErrors.outOfMemory(device.name(), "a test", 2, 1, "go on");
        })) {
            assertThat(devices).isNotNull();
            Cli.run("train", rough, "loftq_config=" + loftq).refused(5, "not enough memory", "go on");
        }
        Cli.run("train", rough, "loftq_config=" + loftq).done();
        assertThat(adapter("rough")).isEqualTo(adapter("calm"));
    }

    private void ranks(String init, String loftq) {
        for (boolean sharded : List.of(false, true)) {
            String id = "ranks-" + sharded;
            Cli.run(
                            "train",
                            job(id).set("init_lora_weights", init)
                                    .set("num_processes", 2)
                                    .set("shard_base", sharded)
                                    .set("gradient_accumulation_steps", 1)
                                    .build(),
                            "loftq_config=" + loftq)
                    .done();
            assertThat(lastLoss(id)).isCloseTo(lastLoss("calm"), within(1e-4));
        }
    }

    @Test
    void oneIterationOfLoftqLeavesTheBaseAndItsFilesAreForTheBaseIn4Bits() {
        JobConfig job = job("one").set("init_lora_weights", "loftq").build();
        Cli.run("train", job).done();
        Path files = dir.resolve("adapter");
        JsonNode exported =
                Cli.run("export", job, "--out", files.toString()).done().outcome();
        assertThat(exported.has("base")).isFalse();
        assertThat(AdapterFiles.read(files).config().r()).isEqualTo(4);
        double loss = Cli.run("evaluate", job).done().outcome().get("loss").asDouble();
        JobConfig on = job("on")
                .set("adapter_name_or_path", files.toString())
                .set("learning_rate", 1e-30)
                .build();
        Cli.run("train", on).done();
        assertThat(Cli.run("evaluate", on).done().outcome().get("loss").asDouble())
                .isCloseTo(loss, within(1e-5));
    }

    @Test
    void groupsBeginOnOneBase() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 16; i++) {
            rows.append("{\"tenant\":\"t")
                    .append(i % 2)
                    .append("\",\"messages\":[{\"role\":\"user\",\"content\":\"say ");
            rows.append(i)
                    .append("\"},{\"role\":\"assistant\",\"content\":\"abc")
                    .append(i)
                    .append("\"}]}\n");
        }
        TestJobs.write(dir.resolve("groups.jsonl"), rows.toString());
        JobConfig job = job("groups")
                .set("init_lora_weights", "pissa")
                .set("dataset", dir.resolve("groups.jsonl").toString())
                .set("validation_split_percentage", null)
                .set("group_by", "tenant")
                .build();
        Cli.run("train", job).done();
        JsonNode measured = Cli.run("evaluate", job, "--group", "t1").done().outcome();
        assertThat(measured.get("loss").asDouble())
                .isLessThan(measured.get("base_loss").asDouble());
        Path files = dir.resolve("adapter");
        Cli.run("export", job, "--group", "t1", "--out", files.toString()).done();
        assertThat(AdapterFiles.read(files).config().r()).isEqualTo(8);
    }

    @Test
    void whatDoesNotGoTogetherIsRefusedBeforeAnythingIsWritten() {
        JobConfig job = job("refused").set("init_lora_weights", "pissa").build();
        Cli.run("train", job, "loftq_config={loftq_iter: 2}")
                .refused(2, "QLORA-P205: loftq_config is {loftq_iter=2.0}, and init_lora_weights is pissa");
        Cli.run("train", job, "use_dora=true")
                .refused(2, "QLORA-T211: init_lora_weights: pissa stands beside use_dora");
        Cli.run("train", job, "r=65").refused(2, "QLORA-T212: init_lora_weights: pissa takes 65 singular vectors of ");
        Cli.run("train", job, "init_lora_weights=loftq", "load_in_4bit=false")
                .refused(2, "QLORA-T213: init_lora_weights: loftq makes up for what 4 bits lose, and the base is not");
        Cli.run("train", job, "init_lora_weights=loftq", "llm_int8_skip_modules=[lm_head, o_proj]")
                .refused(2, "QLORA-T213: ", "self_attn.o_proj is not quantised");
        TestJobs.write(
                dir.resolve("pairs.jsonl"), "{\"chosen\":\"What is 1? good\",\"rejected\":\"What is 1? bad\"}\n");
        Cli.run("train", job, "stage=dpo", "dataset=" + dir.resolve("pairs.jsonl"))
                .refused(2, "QLORA-T211: init_lora_weights: pissa stands beside stage: dpo");
        Path stored = dir.resolve("stored");
        Cli.run("quantize", job, "--out", stored.toString()).done();
        Cli.run("train", job, "model_name_or_path=" + stored)
                .refused(2, "QLORA-T210: init_lora_weights: pissa decomposes the base's weights before");
        assertThat(RunRecord.find(tables, "refused")).isEmpty();
        Cli.run("plan", job).done();
    }
}
