// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The README's spark-submit command, on the built bundle. There is no installation of Spark here: a folder with the bundle's
 * Spark jars stands for one, and what {@code bin/spark-submit} does (Spark's launcher makes the command, which is then run) is
 * done here.
 */
class SparkSubmitIT {

    private static final Path BUNDLE = Path.of("target/qlora").toAbsolutePath();

    @TempDir
    Path dir;

    private Path sparkHome;

    private record Ended(int code, String out, String err) {

        JsonNode outcome() {
            return Cli.lastLine(out);
        }
    }

    @BeforeEach
    void installSpark() throws IOException {
        assertThat(BUNDLE.resolve("spark"))
                .as("the bundle that `mvn package` makes")
                .isDirectory();
        sparkHome = Files.createDirectories(dir.resolve("spark"));
        Files.createSymbolicLink(sparkHome.resolve("jars"), BUNDLE.resolve("spark"));
    }

    @Test
    void trainsInTheDriversProcess() throws Exception {
        Ended ended = submit("local[2]", "train", job());
        assertThat(ended.code()).as(ended.err()).isZero();
        assertThat(ended.outcome().get("status").asText()).isEqualTo("ok");
        assertThat(ended.outcome().get("steps").asLong()).isEqualTo(5);
    }

    @Test
    void trainsAndEvaluatesOnExecutors() throws Exception {
        Ended trained = submit("local-cluster[1,2,1024]", "train", job());
        assertThat(trained.code()).as(trained.err()).isZero();
        assertThat(trained.outcome().get("steps").asLong()).isEqualTo(5);
        Ended evaluated = submit("local-cluster[1,2,1024]", "evaluate", job());
        assertThat(evaluated.code()).as(evaluated.err()).isZero();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());
    }

    @Test
    void theExitCodeIsThatOfTheFailure() throws Exception {
        JobConfig job =
                job().toBuilder().set("model_name_or_path", "/no/such/base").build();
        Ended ended = submit("local[2]", "train", job);
        assertThat(ended.code()).as(ended.err()).isEqualTo(3);
        assertThat(ended.outcome().get("message").asText()).contains("/no/such/base");
    }

    private JobConfig job() {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .build();
    }

    private Ended submit(String master, String command, JobConfig job) throws Exception {
        List<String> line = new ArrayList<>(List.of(
                "org.apache.spark.deploy.SparkSubmit",
                "--master",
                master,
                "--class",
                "io.sparkqlora.pipeline.Main",
                "--jars",
                String.join(",", jars()),
                "--properties-file",
                BUNDLE.resolve("conf/spark-defaults.conf").toString(),
                "--conf",
                "spark.ui.enabled=false",
                "--conf",
                "spark.sql.shuffle.partitions=2",
                "--conf",
                "spark.databricks.delta.snapshotPartitions=1",
                jars().stream()
                        .filter(jar -> jar.matches(".*/spark-qlora_2\\.13-[^/]*\\.jar"))
                        .findFirst()
                        .orElseThrow(),
                command));
        job.effective().forEach((key, value) -> line.addAll(List.of("--set", key + "=" + value)));
        return run(launcherCommand(line));
    }

    private static List<String> jars() throws IOException {
        try (Stream<Path> files = Files.list(BUNDLE.resolve("lib"))) {
            return files.map(Path::toString).sorted().toList();
        }
    }

    /** What bin/spark-class runs: the launcher prints it after a line that ends its own messages, with NULs between. */
    private List<String> launcherCommand(List<String> arguments) throws Exception {
        List<String> launcher = new ArrayList<>(
                List.of(java(), "-cp", sparkHome.resolve("jars") + "/*", "org.apache.spark.launcher.Main"));
        launcher.addAll(arguments);
        Ended ended = run(launcher);
        assertThat(ended.code()).as(ended.err()).isZero();
        String printed = ended.out().substring(ended.out().indexOf("\0\n") + 2);
        return Arrays.stream(printed.split("\0"))
                .filter(part -> !part.isEmpty())
                .toList();
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    private Ended run(List<String> line) throws Exception {
        File out = dir.resolve("stdout").toFile();
        File err = dir.resolve("stderr").toFile();
        ProcessBuilder builder = new ProcessBuilder(line)
                .directory(dir.toFile())
                .redirectOutput(out)
                .redirectError(err);
        builder.environment().put("SPARK_HOME", sparkHome.toString());
        builder.environment().put("SPARK_SCALA_VERSION", "2.13");
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        Process process = builder.start();
        boolean ended = process.waitFor(5, TimeUnit.MINUTES);
        process.destroyForcibly().waitFor();
        assertThat(ended).as("ended in time: " + Files.readString(err.toPath())).isTrue();
        return new Ended(
                process.exitValue(),
                Files.readString(out.toPath(), StandardCharsets.UTF_8),
                Files.readString(err.toPath(), StandardCharsets.UTF_8));
    }
}
