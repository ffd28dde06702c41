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
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The README's commands for a cluster: what was built under spark-submit, in JVMs of their own. */
final class SparkSubmit {

    static final Path BUNDLE = Path.of("target/qlora").toAbsolutePath();

    private final Path dir;
    private final Path sparkHome;

    private SparkSubmit(Path dir, Path sparkHome) {
        this.dir = dir;
        this.sparkHome = sparkHome;
    }

    /**
     * How a process ended.
     *
     * @param code its exit code
     * @param out what it wrote to stdout
     * @param err what it wrote to stderr
     */
    record Ended(int code, String out, String err) {

        JsonNode outcome() {
            return Cli.lastLine(out);
        }
    }

    /** An installation of Spark in a folder: the jars of the bundle that {@code mvn package} makes. */
    static SparkSubmit in(Path dir) throws IOException {
        assertThat(BUNDLE.resolve("spark"))
                .as("the bundle that `mvn package` makes")
                .isDirectory();
        Path home = Files.createDirectories(dir.resolve("spark"));
        Files.createSymbolicLink(home.resolve("jars"), BUNDLE.resolve("spark"));
        return new SparkSubmit(dir, home);
    }

    /** An installation that has Delta, too. */
    static SparkSubmit withDelta(Path dir) throws IOException {
        Path jars = Files.createDirectories(dir.resolve("spark/jars"));
        for (Path jar : sparkAndDelta()) {
            Files.createSymbolicLink(jars.resolve(jar.getFileName()), jar);
        }
        return new SparkSubmit(dir, jars.getParent());
    }

    /** The jars of an installation of Spark with Delta. */
    static List<Path> sparkAndDelta() throws IOException {
        List<Path> jars = new ArrayList<>(jars("spark"));
        jars("lib").stream()
                .filter(jar -> jar.getFileName().toString().startsWith("delta-"))
                .forEach(jars::add);
        return jars;
    }

    /** Runs a command on a master. */
    Ended run(String master, String command, JobConfig job) throws Exception {
        return run(master, command, job, Map.of(), List.of());
    }

    /** The same with more settings and jars. */
    Ended run(String master, String command, JobConfig job, Map<String, String> settings, List<Path> moreJars)
            throws Exception {
        List<Path> jars = new ArrayList<>(jars("lib"));
        jars.addAll(moreJars);
        Path main = jars.stream()
                .filter(jar -> jar.toString().matches(".*/spark-qlora_2\\.13-[^/]*\\.jar"))
                .findFirst()
                .orElseThrow();
        String list = jars.stream().map(Path::toString).collect(Collectors.joining(","));
        List<String> options = List.of("--class", "io.sparkqlora.pipeline.Main", "--jars", list);
        return run(master, options, main.toString(), command, job, settings);
    }

    /**
     * Runs a command that is found in another way.
     *
     * @param options of spark-submit, where the classes are
     * @param resource the application's jar
     */
    Ended run(
            String master,
            List<String> options,
            String resource,
            String command,
            JobConfig job,
            Map<String, String> settings)
            throws Exception {
        List<String> line = new ArrayList<>(List.of("org.apache.spark.deploy.SparkSubmit", "--master", master));
        line.addAll(options);
        line.addAll(List.of(
                "--properties-file", BUNDLE.resolve("conf/spark-defaults.conf").toString()));
        FewRows.SETTINGS.forEach((key, value) -> conf(line, key, value));
        settings.forEach((key, value) -> conf(line, key, value));
        line.add(resource);
        line.add(command);
        job.effective().forEach((key, value) -> line.addAll(List.of("--set", key + "=" + value)));
        return run(launcherCommand(line));
    }

    private static void conf(List<String> line, String key, String value) {
        line.addAll(List.of("--conf", key + "=" + value));
    }

    private static List<Path> jars(String folder) throws IOException {
        try (Stream<Path> files = Files.list(BUNDLE.resolve(folder))) {
            return files.sorted().toList();
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
