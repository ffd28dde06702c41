// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;

/**
 * Replaces several files of a folder as one: all are written under other names first, then the old last one is taken away,
 * and the new ones are moved in with the last one last. Who takes the last file for the sign of completeness never sees a
 * mixture.
 */
public final class FileSwap implements AutoCloseable {

    /** Writes a file that does not exist yet. */
    public interface Body {
        /** Writes it. */
        void writeTo(Path file) throws IOException;
    }

    private final Path folder;
    private final String suffix = ".tmp-" + UUID.randomUUID();
    private final Map<Path, Path> targets = new LinkedHashMap<>();

    public FileSwap(Path folder) {
        this.folder = folder;
    }

    /** Writes the next file under a temporary name. */
    public void add(String name, Body body) throws IOException {
        Path temporary = folder.resolve("." + name + suffix);
        targets.put(temporary, folder.resolve(name));
        body.writeTo(temporary);
        try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
    }

    /** Puts all files in place. */
    public void commit() throws IOException {
        Deque<Map.Entry<Path, Path>> moves = new ArrayDeque<>(targets.entrySet());
        if (moves.size() > 1) {
            Files.deleteIfExists(moves.getLast().getValue());
        }
        for (Map.Entry<Path, Path> move : moves) {
            Files.move(
                    move.getKey(),
                    move.getValue(),
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Takes away what was not put in place. */
    @Override
    public void close() throws IOException {
        for (Path temporary : targets.keySet()) {
            Files.deleteIfExists(temporary);
        }
    }
}
