// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.PipelineErrors;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file that its holder writes again every few seconds. One that was not written for a minute (by the filesystem's clock
 * against itself, so machines' clocks don't matter) belongs to a dead holder and is taken over.
 *
 * <p>Object stores that create files without checking for an older one leave a window of a few milliseconds in which two
 * commands may both believe that they have it; the commits' transaction ids then drop the second one's rows, which are the
 * same bits.
 */
final class LeaseRunLock implements RunLock {

    private static final Logger LOG = LoggerFactory.getLogger(LeaseRunLock.class);
    private static final long RENEW_MILLIS = 10_000;
    private static final long EXPIRE_MILLIS = 60_000;

    private final FileSystem files;
    private final Path path;
    private final String owner;
    private final ScheduledExecutorService renewals;

    private LeaseRunLock(FileSystem files, Path path, String owner) {
        this.files = files;
        this.path = path;
        this.owner = owner;
        this.renewals = Executors.newSingleThreadScheduledExecutor(LeaseRunLock::daemon);
    }

    static LeaseRunLock acquire(FileSystem files, Path path, String runId) throws IOException {
        String owner = ManagementFactory.getRuntimeMXBean().getName() + " " + UUID.randomUUID();
        if (!created(files, path, owner)) {
            if (!expired(files, path)) {
                throw PipelineErrors.runHeld(
                        runId, "another process, which renewed it less than a minute ago", path.toString());
            }
            files.delete(path, false);
            if (!created(files, path, owner)) {
                throw PipelineErrors.runHeld(runId, "another process, which was faster", path.toString());
            }
        }
        LeaseRunLock lock = new LeaseRunLock(files, path, owner);
        lock.renewals.scheduleAtFixedRate(lock::renew, RENEW_MILLIS, RENEW_MILLIS, TimeUnit.MILLISECONDS);
        return lock;
    }

    private static Thread daemon(Runnable task) {
        Thread thread = new Thread(task, "spark-qlora lease");
        thread.setDaemon(true);
        return thread;
    }

    private static boolean created(FileSystem files, Path path, String owner) throws IOException {
        try (OutputStream out = files.create(path, false)) {
            out.write(owner.getBytes(StandardCharsets.UTF_8));
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        }
    }

    /** Whether the lease is older than a file that is written now. */
    static boolean expired(FileSystem files, Path path) throws IOException {
        Path probe = path.suffix(".now-" + UUID.randomUUID());
        files.create(probe, true).close();
        try {
            long now = files.getFileStatus(probe).getModificationTime();
            return now - files.getFileStatus(path).getModificationTime() > EXPIRE_MILLIS;
        } catch (FileNotFoundException e) {
            // its holder gave it back meanwhile
            return true;
        } finally {
            files.delete(probe, false);
        }
    }

    private void renew() {
        try (OutputStream out = files.create(path, true)) {
            out.write(owner.getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // the next renewal tries again; a filesystem that is gone for a minute fails the run's commits too
            LOG.warn("lease {} not renewed: {}", path, e.toString());
        }
    }

    @Override
    public void close() {
        renewals.shutdownNow();
        try {
            renewals.awaitTermination(RENEW_MILLIS, TimeUnit.MILLISECONDS);
            files.delete(path, false);
        } catch (IOException e) {
            throw PipelineErrors.outputUnusable(path.toString(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
