// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.HubErrors;
import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Brings files here, a few at a time. */
final class Downloads {

    private static final Logger LOG = LoggerFactory.getLogger(Downloads.class);
    private static final int AT_ONCE = 4;
    private static final double GIB = 1L << 30;

    private final String where;
    private final Path folder;

    /**
     * @param where they come from, for errors
     * @param folder under which they grow
     */
    Downloads(String where, Path folder) {
        this.where = where;
        this.folder = folder;
    }

    /**
     * Brings all; the first that fails ends it.
     *
     * @throws QLoraException QLORA-P190 if there is no room for them, before a byte is fetched; P191 if they can't be written; P187 if
     *     one has other bytes than it should have; P186 if one doesn't come
     */
    void bring(List<Download> downloads) {
        if (downloads.isEmpty()) {
            return;
        }
        requireRoom(downloads);
        ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE, Downloads::thread);
        try {
            List<Future<?>> all = new ArrayList<>();
            downloads.forEach(download -> all.add(threads.submit(() -> run(download))));
            for (Future<?> each : all) {
                each.get();
            }
        } catch (ExecutionException e) {
            throw e.getCause() instanceof QLoraException known ? known : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PipelineErrors.interrupted(e);
        } finally {
            end(threads);
        }
    }

    /** Nothing is written any more when this returns: others may go on with the files. */
    private static void end(ExecutorService threads) {
        boolean interrupted = false;
        threads.shutdownNow();
        while (!threads.isTerminated()) {
            try {
                threads.awaitTermination(1, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static Thread thread(Runnable work) {
        Thread thread = new Thread(work, "qlora-downloads");
        thread.setDaemon(true);
        return thread;
    }

    private void requireRoom(List<Download> downloads) {
        long need = 0;
        long have;
        try {
            for (Download download : downloads) {
                need += download.missing();
            }
            have = Files.getFileStore(folder).getUsableSpace();
        } catch (IOException e) {
            throw HubErrors.cacheUnusable(folder.toString(), e);
        }
        if (need > have) {
            throw HubErrors.noRoom(where, folder.toString(), need, have);
        }
        LOG.info(
                "bringing {} files of {} to {} ({} GiB)",
                downloads.size(),
                where,
                folder,
                Math.round(need / GIB * 10) / 10.0);
    }

    private void run(Download download) {
        String file = where + "/" + download.remote().name();
        try {
            download.run();
        } catch (RemoteFile.OtherBytes e) {
            throw HubErrors.otherBytes(file, e.getMessage());
        } catch (Download.NotWritten e) {
            throw HubErrors.cacheUnusable(folder.toString(), (IOException) e.getCause());
        } catch (IOException e) {
            throw HubErrors.unreachable(file, e);
        }
    }
}
