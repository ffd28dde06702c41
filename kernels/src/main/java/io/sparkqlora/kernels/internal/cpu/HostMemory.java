// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.KernelErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * How much memory this process may still take: what Linux calls available, or what its control group leaves, whichever is
 * less. Versions 1 and 2 of control groups are read; page cache that the group can drop counts as free.
 *
 * @param proc where the proc file system is mounted
 * @param cgroup where the control groups are mounted
 */
public record HostMemory(Path proc, Path cgroup) {

    /** Of the machine that this runs on. */
    public static HostMemory ofThisMachine() {
        return new HostMemory(Path.of("/proc"), Path.of("/sys/fs/cgroup"));
    }

    /** Bytes. */
    public long availableBytes() {
        try {
            return Math.min(memAvailable(), groupAvailable());
        } catch (IOException e) {
            throw KernelErrors.hostMemoryUnknown(e);
        }
    }

    private long memAvailable() throws IOException {
        return 1024 * field(proc.resolve("meminfo"), "MemAvailable:");
    }

    private long groupAvailable() throws IOException {
        long available = Long.MAX_VALUE;
        for (String line : Files.readAllLines(proc.resolve("self/cgroup"))) {
            String[] parts = line.split(":", 3);
            if (parts.length == 3 && parts[1].isEmpty()) {
                available =
                        Math.min(available, walk(cgroup, parts[2], "memory.max", "memory.current", "inactive_file"));
            } else if (parts.length == 3 && List.of(parts[1].split(",")).contains("memory")) {
                available = Math.min(
                        available,
                        walk(
                                cgroup.resolve("memory"),
                                parts[2],
                                "memory.limit_in_bytes",
                                "memory.usage_in_bytes",
                                "total_inactive_file"));
            }
        }
        return available;
    }

    /** The tightest of a group's limit and its ancestors'. In a container the group's own path may not be visible. */
    private static long walk(Path root, String group, String limit, String usage, String cache) throws IOException {
        long available = Long.MAX_VALUE;
        Path path = root.resolve(group.substring(1)).normalize();
        while (path.startsWith(root)) {
            if (Files.isReadable(path.resolve(limit)) && Files.isReadable(path.resolve(usage))) {
                available = Math.min(available, left(path, limit, usage, cache));
            }
            path = path.getParent();
        }
        return available;
    }

    private static long left(Path group, String limit, String usage, String cache) throws IOException {
        String max = Files.readString(group.resolve(limit)).trim();
        if (max.equals("max")) {
            return Long.MAX_VALUE;
        }
        long used = Long.parseLong(Files.readString(group.resolve(usage)).trim());
        Path stat = group.resolve("memory.stat");
        long droppable = Files.isReadable(stat) ? field(stat, cache) : 0;
        return Math.max(0, Long.parseLong(max) - Math.max(0, used - droppable));
    }

    private static long field(Path file, String name) throws IOException {
        for (String line : Files.readAllLines(file)) {
            String[] words = line.trim().split("\\s+");
            if (words[0].equals(name)) {
                return Long.parseLong(words[1]);
            }
        }
        throw new IOException(file + " has no line " + name);
    }
}
