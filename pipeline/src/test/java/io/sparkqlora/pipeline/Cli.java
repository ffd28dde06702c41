// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.internal.cli.CommandLineApp;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The command line, in this JVM's session or in a process of its own. */
public final class Cli {

    private Cli() {}

    /** How a command ended. */
    public record Ended(int code, JsonNode outcome, String err) {

        public String text(String key) {
            return outcome.get(key).asText();
        }

        /** It failed with one line that says what it should, as text and as JSON. */
        public Ended refused(int expectedCode, String... message) {
            assertThat(code).as(err).isEqualTo(expectedCode);
            assertThat(text("status")).isEqualTo("error");
            assertThat(text("message"))
                    .contains(message)
                    .startsWith(text("code"))
                    .doesNotContain("\n");
            assertThat(err.lines().filter(line -> line.startsWith("qlora: ")).toList())
                    .containsExactly("qlora: " + text("message"));
            assertThat(err).doesNotContain("\tat ");
            return this;
        }

        /** It succeeded. */
        public Ended done() {
            assertThat(code).as(err).isZero();
            assertThat(text("status")).isEqualTo("ok");
            return this;
        }
    }

    /** Runs a command here. */
    public static Ended run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int code = CommandLineApp.run(
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                arguments);
        return new Ended(code, lastLine(out.toString(StandardCharsets.UTF_8)), err.toString(StandardCharsets.UTF_8));
    }

    /** Runs a command of a job here; options and {@code key=value} texts may follow. */
    public static Ended run(String command, JobConfig job, String... more) {
        return run(arguments(command, job, more).toArray(String[]::new));
    }

    private static List<String> arguments(String command, JobConfig job, String... more) {
        List<String> arguments = new ArrayList<>(List.of(command));
        job.effective().forEach((key, value) -> arguments.addAll(List.of("--set", key + "=" + value)));
        for (String each : more) {
            if (each.matches("[a-z0-9_]+=.*")) {
                arguments.add("--set");
            }
            arguments.add(each);
        }
        return arguments;
    }

    /** The command that runs a class of this classpath in another JVM. */
    public static List<String> java(Class<?> main, String command, JobConfig job) {
        List<String> line = new ArrayList<>();
        // a test run in the background of a shell ignores SIGINT, and so would its children
        line.addAll(List.of("env", "--default-signal=INT"));
        line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        line.addAll(java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument ->
                        argument.startsWith("--add") || argument.startsWith("-XX") || argument.startsWith("-D"))
                .filter(argument -> !argument.contains("jacoco"))
                .toList());
        FewRows.SETTINGS.forEach((key, value) -> line.add("-D" + key + "=" + value));
        line.addAll(List.of("-Xmx1g", "-cp", System.getProperty("java.class.path"), main.getName()));
        line.addAll(arguments(command, job));
        return line;
    }

    /** The JSON object in the last line of an output. */
    public static JsonNode lastLine(String out) {
        List<String> lines = out.lines().toList();
        assertThat(lines).as("lines on stdout").isNotEmpty();
        String line = lines.get(lines.size() - 1);
        try {
            return new ObjectMapper().readTree(line);
        } catch (IOException e) {
            throw new AssertionError("not JSON: " + line, e);
        }
    }

    /** Every file under a folder, with its size: what a command that writes nothing leaves as it was. */
    public static Set<String> files(Path folder) {
        if (!Files.exists(folder)) {
            return Set.of();
        }
        try (Stream<Path> all = Files.walk(folder)) {
            return all.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file) + " " + file.toFile().length())
                    .collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
