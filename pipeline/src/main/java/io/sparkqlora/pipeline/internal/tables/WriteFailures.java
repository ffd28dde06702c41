// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.sql.delta.DeltaIOException;

/** Tells an output directory that can't be written from faults of ours. */
final class WriteFailures {

    private static final String FULL = "No space left on device";

    private WriteFailures() {}

    /** Checks the nearest ancestor of a local directory that there is; nothing is made. */
    static void requireWritable(String root) {
        if (!root.startsWith("/")) {
            return;
        }
        Path there = Path.of(root);
        while (!Files.exists(there)) {
            there = there.getParent();
        }
        if (!Files.isDirectory(there)) {
            throw PipelineErrors.outputUnusable(root, new NotDirectoryException(there + " is no directory"));
        }
        if (!Files.isWritable(there)) {
            throw PipelineErrors.outputUnusable(root, new AccessDeniedException(there + " is not writable"));
        }
    }

    /**
     * Runs a write.
     *
     * @throws UncheckedIOException if the store failed, and might not the next time
     */
    static void translating(String root, Runnable write) {
        try {
            write.run();
        } catch (Exception e) {
            // Scala throws checked exceptions without saying so
            throw translate(root, e);
        }
    }

    private static RuntimeException translate(String root, Exception failure) {
        IOException ofTheStore = null;
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof QLoraException known) {
                return known;
            }
            if (isOfTheDirectory(cause)) {
                return PipelineErrors.outputUnusable(root, new IOException(message(cause), failure));
            }
            if (cause instanceof IOException io) {
                ofTheStore = io;
            }
        }
        if (ofTheStore != null) {
            return new UncheckedIOException(ofTheStore);
        }
        return failure instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(failure);
    }

    private static boolean isOfTheDirectory(Throwable cause) {
        return cause instanceof DeltaIOException
                || cause instanceof AccessControlException
                || cause instanceof AccessDeniedException
                || (cause.getMessage() != null && cause.getMessage().contains(FULL));
    }

    private static String message(Throwable cause) {
        String message = cause.getMessage() == null ? cause.toString() : cause.getMessage();
        return message.contains(FULL) ? FULL : message;
    }
}
