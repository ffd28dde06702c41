// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * An executor's JVM.
 *
 * @param executorId Spark's name of it
 * @param worker number of the worker that started it
 * @param process the JVM
 */
public record ExecutorProcess(String executorId, int worker, ProcessHandle process) {

    private static final String MAIN = "org.apache.spark.executor.CoarseGrainedExecutorBackend";

    /** SIGKILL; returns when it is gone. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().orTimeout(20, TimeUnit.SECONDS).join();
    }

    /** Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT). */
    public void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, String.valueOf(process.pid()))
                .inheritIO()
                .start()
                .waitFor();
    }

    /** All executors on this machine whose command has a text. */
    static List<ExecutorProcess> marked(String mark) {
        return ProcessHandle.allProcesses()
                .flatMap(process -> of(process, mark).stream())
                .toList();
    }

    private static Optional<ExecutorProcess> of(ProcessHandle process, String mark) {
        List<String> arguments = arguments(process);
        if (!arguments.contains(MAIN) || !arguments.contains(mark)) {
            return Optional.empty();
        }
        String worker = after(arguments, "--resourcesFile").replaceFirst(".*/worker-(\\d+)/.*", "$1");
        return Optional.of(new ExecutorProcess(
                after(arguments, "--executor-id"), worker.matches("\\d+") ? Integer.parseInt(worker) : -1, process));
    }

    private static String after(List<String> arguments, String option) {
        int at = arguments.indexOf(option);
        return at < 0 ? "" : arguments.get(at + 1);
    }

    /** {@link ProcessHandle.Info} gives up on long commands. */
    private static List<String> arguments(ProcessHandle process) {
        try {
            byte[] line = Files.readAllBytes(Path.of("/proc", String.valueOf(process.pid()), "cmdline"));
            return Arrays.asList(new String(line, StandardCharsets.UTF_8).split("\0"));
        } catch (IOException e) {
            // it has ended, or is somebody else's
            return List.of();
        }
    }
}
