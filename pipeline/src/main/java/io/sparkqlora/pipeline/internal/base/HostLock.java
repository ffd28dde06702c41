// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sees to it that of all processes of a host (and all tasks of a process) one does something, and the others wait and find it done. The
 * system releases a file's lock with the process that holds it, however that ends. The file stays: who deletes it might
 * take it from under somebody who has just opened it.
 */
final class HostLock implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(HostLock.class);

    /** A process may not lock a file twice. */
    private static final Map<Path, ReentrantLock> OF_PROCESS = new ConcurrentHashMap<>();

    private final ReentrantLock ofProcess;
    private final FileChannel channel;

    private HostLock(ReentrantLock ofProcess, FileChannel channel) {
        this.ofProcess = ofProcess;
        this.channel = channel;
    }

    /**
     * Waits for the lock of a file, which is made if need be.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P191 if the file can't be made, QLORA-P031 if the thread is interrupted
     */
    static HostLock acquire(Path file) {
        ReentrantLock ofProcess =
                OF_PROCESS.computeIfAbsent(file.toAbsolutePath().normalize(), path -> new ReentrantLock(true));
        try {
            ofProcess.lockInterruptibly();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PipelineErrors.interrupted(e);
        }
        try {
            return new HostLock(ofProcess, locked(file));
        } catch (FileLockInterruptionException e) {
            ofProcess.unlock();
            throw PipelineErrors.interrupted();
        } catch (IOException e) {
            ofProcess.unlock();
            throw HubErrors.cacheUnusable(file.getParent().toString(), e);
        }
    }

    private static FileChannel locked(Path file) throws IOException {
        Files.createDirectories(file.getParent());
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                LOG.info("another process brings what {} stands for; waiting for it", file);
                channel.lock();
            }
            return channel;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            LOG.warn("a lock was not released: {}", e.toString());
        } finally {
            ofProcess.unlock();
        }
    }
}
