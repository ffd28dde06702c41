// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.internal.base.HubServer;
import io.sparkqlora.pipeline.internal.base.TestFileSystem;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.SparkEnv;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Jobs whose base lies elsewhere are those of a folder, and its weights come when they are needed. */
@Tag("slow")
class RemoteBaseTest {

    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final String LATER = "1123456789abcdef0123456789abcdef01234567";
    private static final String ENDPOINT = "spark.executorEnv.HF_ENDPOINT";

    @TempDir
    Path dir;

    private final SparkSession spark = TestSpark.session();
    private final HubServer server = new HubServer();

    @BeforeEach
    void fill() {
        server.commit(COMMIT, TestJobs.base());
        SparkEnv.get().conf().set(ENDPOINT, server.endpoint());
        spark.sparkContext().hadoopConfiguration().set("fs.test.impl", TestFileSystem.class.getName());
        TestJobs.conversations(dir.resolve("data.jsonl"), 12);
    }

    @AfterEach
    void stop() {
        SparkEnv.get().conf().remove(ENDPOINT);
        server.close();
    }

    private JobConfig job(String base, String out) {
        return TestJobs.small(dir.resolve(out))
                .set("model_name_or_path", base)
                .set("cache_dir", dir.resolve("cache").toString())
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("max_steps", 1)
                .build();
    }

    private Path exported(JobConfig job) {
        Path folder =
                dir.resolve("exported-" + Path.of(job.get(RunKeys.OUTPUT_DIR)).getFileName());
        Cli.run("export", job, "--out", folder.toString()).done();
        return folder;
    }

    @Test
    void aRunKeepsTheCommitThatItBeganWithWhenTheBranchMoves() throws IOException {
        JobConfig ofFolder = job(TestJobs.base().toString(), "folder");
        Cli.run("train", ofFolder).done();
        JobConfig job = job("hf://org/llama", "hub");
        Cli.Ended first = Cli.run("train", job).done();
        String pinned = "hf://org/llama@" + COMMIT;
        assertThat(first.err()).contains("base hf://org/llama is " + pinned);
        Row run = spark.read()
                .format("delta")
                .load(dir.resolve("hub/runs").toString())
                .first();
        assertThat(run.<String>getAs("base_model")).isEqualTo("hf://org/llama");
        assertThat(ConfigJson.values(run.getAs("config"))).containsEntry("model_name_or_path", pinned);
        assertThat(exported(job).resolve("adapter_model.safetensors"))
                .hasSameBinaryContentAs(exported(ofFolder).resolve("adapter_model.safetensors"));
        JsonNode adapter = new ObjectMapper()
                .readTree(exported(job).resolve("adapter_config.json").toFile());
        assertThat(adapter.path("base_model_name_or_path").asText()).isEqualTo("org/llama");
        assertThat(adapter.path("revision").asText()).isEqualTo(COMMIT);

        Path later = TestJobs.copyOfBase(dir.resolve("later"));
        String config = Files.readString(later.resolve("config.json"));
        Files.writeString(later.resolve("config.json"), config + "\n");
        server.commit(LATER, later);
        Cli.Ended again = Cli.run("train", job).done();
        assertThat(again.text("run_id")).isEqualTo(first.text("run_id"));
        assertThat(again.err()).contains("base hf://org/llama is " + pinned).contains("is finished");
        Cli.run("evaluate", job).done();
        Cli.Ended fresh = Cli.run("train", job, "--fresh").done();
        assertThat(fresh.err()).contains("base hf://org/llama is hf://org/llama@" + LATER);
        assertThat(fresh.text("run_id")).isNotEqualTo(first.text("run_id"));
    }

    @Test
    void tokenizeAndDoctorFetchNoWeights() {
        JobConfig job = job("hf://org/llama", "hub");
        Cli.run("tokenize", job).done();
        Cli.Ended doctor = Cli.run("doctor", job).done();
        assertThat(doctor.err())
                .containsPattern("ok +checkpoint +hf://org/llama, training takes")
                .containsPattern("ok +copy of the base +hf://org/llama@" + COMMIT + " in .* are yet to be fetched");
        assertThat(server.asked("GET")).isNotEmpty().noneMatch(path -> path.contains("safetensors"));
        server.close();
        Cli.Ended wrong = Cli.run("doctor", job);
        assertThat(wrong.code()).isEqualTo(2);
        assertThat(wrong.err())
                .containsPattern("wrong +checkpoint +QLORA-P186: hf://org/llama@main can't be looked up");
        Cli.run("train", job).refused(3, "QLORA-P186");
        assertThat(Cli.files(dir.resolve("hub/runs"))).isEmpty();
    }

    @Test
    void aFolderOfAnotherFilesystemIsCopied() throws IOException {
        JobConfig ofFolder = job(TestJobs.base().toString(), "folder");
        Cli.run("train", ofFolder).done();
        JobConfig job = job("test://" + TestJobs.copyOfBase(dir.resolve("stored")), "store");
        Cli.run("train", job).done();
        assertThat(exported(job).resolve("adapter_model.safetensors"))
                .hasSameBinaryContentAs(exported(ofFolder).resolve("adapter_model.safetensors"));
        Row run = spark.read()
                .format("delta")
                .load(dir.resolve("store/runs").toString())
                .first();
        assertThat(run.<String>getAs("base_model")).isEqualTo("test://" + dir.resolve("stored"));
        Files.delete(dir.resolve("stored/model.safetensors"));
        Cli.run("evaluate", job).refused(3, "QLORA-P193: test://");
    }
}
