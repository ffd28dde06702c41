// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A JVM of the cluster. It stands under a shell that kills it once this JVM's end of a pipe is closed, which happens however
 * this JVM ends.
 */
final class ClusterProcess implements AutoCloseable {

    private static final String SHELL = "exec 3<&0; \"$@\" & java=$!; "
            + "{ cat <&3 >/dev/null; kill -KILL $java; } & watch=$!; wait $java; kill $watch";

    /** Plenty: a machine may be busy, and a process that ends is seen at once. */
    private static final long START_SECONDS = 240;

    private final Path log;
    private final Process shell;

    private ClusterProcess(Path log, Process shell) {
        this.log = log;
        this.shell = shell;
    }

    static ClusterProcess start(Path log, List<String> command, Map<String, String> environment) throws IOException {
        List<String> line = new ArrayList<>(List.of("sh", "-c", SHELL, "sh"));
        line.addAll(command);
        ProcessBuilder builder = new ProcessBuilder(line)
                .directory(log.getParent().toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(environment);
        return new ClusterProcess(log, builder.start());
    }

    /** Waits for a line in the log; gives its match. */
    Matcher await(Pattern line) throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (System.nanoTime() < end && shell.isAlive()) {
            Matcher match = line.matcher(Files.readString(log));
            if (match.find()) {
                return match;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("no line '" + line + "' in " + log + ":\n" + Files.readString(log));
    }

    /** Kills it; what it started is left to others. */
    @Override
    public void close() {
        try {
            List<ProcessHandle> java = shell.children().toList();
            shell.getOutputStream().close();
            java.forEach(ProcessHandle::destroyForcibly);
            shell.destroyForcibly().waitFor();
            java.forEach(process -> process.onExit().join());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
