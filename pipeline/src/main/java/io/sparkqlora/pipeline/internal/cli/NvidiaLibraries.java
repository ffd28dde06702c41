// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which of NVIDIA's libraries this process has loaded: the driver's, if a GPU is used, and none of CUDA's. */
final class NvidiaLibraries {

    private static final Pattern LIBRARY = Pattern.compile(".*/(lib(?:cu|nv|nccl)[^/]*\\.so[^/]*)");

    private NvidiaLibraries() {}

    /** File names, in alphabetical order; from Linux's account of what is mapped. */
    static List<String> loaded() {
        try {
            return named(Files.readAllLines(Path.of("/proc/self/maps")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static List<String> named(List<String> maps) {
        return maps.stream()
                .map(NvidiaLibraries::name)
                .filter(Objects::nonNull)
                .distinct()
                .sorted()
                .toList();
    }

    private static String name(String mapped) {
        Matcher library = LIBRARY.matcher(mapped);
        return library.matches() ? library.group(1) : null;
    }
}
