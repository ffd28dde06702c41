// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A file lock. The file stays: deleting it would let two processes lock two files of one name. */
final class LocalRunLock implements RunLock {

    private final FileChannel channel;

    private LocalRunLock(FileChannel channel) {
        this.channel = channel;
    }

    static LocalRunLock acquire(Path file, String runId) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        if (!locked(channel)) {
            channel.close();
            throw PipelineErrors.runHeld(runId, "another process on this machine", file.toString());
        }
        return new LocalRunLock(channel);
    }

    private static boolean locked(FileChannel channel) throws IOException {
        try {
            FileLock lock = channel.tryLock();
            return lock != null;
        } catch (OverlappingFileLockException e) {
            // held by another thread of this JVM
            return false;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw PipelineErrors.outputUnusable("the lock", e);
        }
    }
}
