// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.pipeline.Cli;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunTables;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.NamedTensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole jobs of a base in 8 bits, of lengths of rows, and of biases: trained, ended in a chunk and gone on with, exported, evaluated. */
@Tag("slow")
class VariantRunTest {

    private static final int STEPS = 5;

    @TempDir
    Path dir;

    @BeforeEach
    void prepare() {
        TestSpark.session();
        TestJobs.conversations(dir.resolve("data.jsonl"), 12);
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private JobConfigBuilder job(String... settings) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("max_seq_length", 48)
                .addOptions(List.of(settings));
    }

    /** With columns of outliers in its inputs. */
    @Test
    void aBaseIn8Bits() {
        Adapter adapter = runs(job("load_in_8bit=true", "llm_int8_threshold=2.5"));
        assertThat(adapter.tensors()).hasSize(28);
    }

    @Test
    void lengthsOfRows() {
        Adapter adapter = runs(job("use_dora=true"));
        assertThat(adapter.config().useDora()).isTrue();
        assertThat(adapter.tensors())
                .extracting(NamedTensor::name)
                .filteredOn(name -> name.endsWith("lora_magnitude_vector"))
                .hasSize(14);
    }

    @ParameterizedTest
    @CsvSource({"all, 6", "lora_only, 2"})
    void biases(String bias, int count) throws IOException {
        Path base = TestJobs.biasedBase(dir.resolve("qwen2"));
        Adapter adapter = runs(job("model_name_or_path=" + base, "bias=" + bias, "target_modules=[q_proj, down_proj]"));
        assertThat(adapter.config().bias()).isEqualTo(bias.equals("all") ? Bias.ALL : Bias.LORA_ONLY);
        assertThat(adapter.tensors())
                .extracting(NamedTensor::name)
                .filteredOn(name -> name.endsWith(".bias"))
                .hasSize(count);
    }

    /** The adapter, which is the same whether the run was ended in its second chunk or not. */
    private Adapter runs(JobConfigBuilder job) {
        JobConfig calm = job.set("run_id", "calm").build();
        Cli.run("train", calm).done();
        JobConfig rough = job.set("run_id", "rough").build();
        assertThatThrownBy(() -> SparkQLora.job(rough)
                        .onStep(metrics -> {
                            if (metrics.step() == 4) {
                                throw new IllegalStateException("pulled the plug");
                            }
                        })
                        .train(TestSpark.session()))
                .hasStackTraceContaining("pulled the plug");
        JobTables tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        assertThat(RunRecord.find(tables, "rough").orElseThrow().lastStep()).isEqualTo(3);
        // as in another process
        ResidentSessions.closeAll();
        Cli.run("train", rough).done();

        Adapter adapter = adapter(tables, "calm");
        assertThat(adapter(tables, "rough").tensors()).isEqualTo(adapter.tensors());
        RunTables all = new RunTables(dir.resolve("out").toString());
        assertThat(all.metrics("rough")).isEqualTo(all.metrics("calm")).hasSize(STEPS);
        exported(calm, adapter);
        JsonNode evaluated = evaluated(calm);
        assertThat(evaluated(rough).get("loss")).isEqualTo(evaluated.get("loss"));
        assertThat(evaluated.get("loss").asDouble())
                .isLessThan(evaluated.get("base_loss").asDouble());
        assertThat(Cli.run("generate", calm, "--prompt", "say 3", "--max-new-tokens", "3")
                        .done()
                        .outcome())
                .isNotNull();
        return adapter;
    }

    private static Adapter adapter(JobTables tables, String runId) {
        RunRecord run = RunRecord.find(tables, runId).orElseThrow();
        assertThat(run.lastStep()).isEqualTo(STEPS);
        return new AdapterStore(tables).read(run, STEPS);
    }

    private static JsonNode evaluated(JobConfig job) {
        return Cli.run("evaluate", job).done().outcome();
    }

    private void exported(JobConfig job, Adapter adapter) {
        Path folder = dir.resolve("exported");
        Cli.run("export", job, "--out", folder.toString()).done();
        Adapter written = AdapterFiles.read(folder);
        assertThat(written.config()).isEqualTo(adapter.config());
        assertThat(written.tensors()).hasSameElementsAs(adapter.tensors());
        Path merged = dir.resolve("merged");
        Cli.run("export", job, "--merge", "float32", "--out", merged.toString()).done();
        try (Checkpoint checkpoint = Checkpoint.open(merged)) {
            assertThat(checkpoint.config().quantization()).isNull();
        }
    }
}
