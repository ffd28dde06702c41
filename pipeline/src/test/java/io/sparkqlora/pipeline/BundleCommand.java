// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A command of the built bundle, in a process of its own: what {@code ./qlora} runs. */
final class BundleCommand implements AutoCloseable {

    /** What {@code mvn package} makes. */
    static final Path BUNDLE = Path.of("target/qlora").toAbsolutePath();

    private static final int LONGEST_MINUTES = 10;
    private static final int POLL_MILLIS = 20;

    private final Process process;
    private final Path out;
    private final Path err;

    private BundleCommand(List<String> line, Path logs) throws IOException {
        Files.createDirectories(logs);
        out = Files.createTempFile(logs, "stdout", "");
        err = Files.createTempFile(logs, "stderr", "");
        ProcessBuilder builder =
                new ProcessBuilder(line).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        process = builder.start();
    }

    /** Starts {@code ./qlora}; its output goes to files in a folder. */
    static BundleCommand start(Path logs, String... arguments) throws IOException {
        List<String> line = new ArrayList<>(List.of(BUNDLE.resolve("qlora").toString()));
        line.addAll(Arrays.asList(arguments));
        return new BundleCommand(line, logs);
    }

    /** Starts another main class beside the bundle's jars, as {@code ./qlora} starts its own. */
    static BundleCommand start(Path logs, Class<?> main, String... arguments) throws IOException {
        String here = Path.of(
                        main.getProtectionDomain().getCodeSource().getLocation().getPath())
                .toString();
        List<String> line = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + BUNDLE.resolve("conf/jvm.flags"),
                "-cp",
                BUNDLE + "/lib/*:" + BUNDLE + "/spark/*:" + here,
                main.getName()));
        line.addAll(Arrays.asList(arguments));
        return new BundleCommand(line, logs);
    }

    long pid() {
        return process.pid();
    }

    /** Waits for a line on stderr that begins so. */
    void awaitLine(String beginning) throws IOException, InterruptedException {
        while (err().lines().noneMatch(line -> line.startsWith(beginning))) {
            assertRunsFor(POLL_MILLIS);
        }
    }

    /** It does not end within that time. */
    void assertRunsFor(long millis) throws IOException, InterruptedException {
        boolean ended = process.waitFor(millis, TimeUnit.MILLISECONDS);
        assertThat(ended).as("ended early: " + err()).isFalse();
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
    }

    /** Its end, with the outcome that it printed. */
    Cli.Ended end() throws IOException, InterruptedException {
        boolean ended = process.waitFor(LONGEST_MINUTES, TimeUnit.MINUTES);
        assertThat(ended).as("ends in time: " + err()).isTrue();
        return new Cli.Ended(process.exitValue(), Cli.lastLine(Files.readString(out)), err());
    }

    String err() throws IOException {
        return Files.readString(err);
    }

    /** SIGKILL, if it still runs. */
    @Override
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }
}
