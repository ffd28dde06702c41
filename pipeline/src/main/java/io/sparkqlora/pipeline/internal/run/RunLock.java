// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Keeps two commands from training the same run at once. On the local filesystem it is a lock of the operating system, which
 * goes with its process; elsewhere a lease that its holder renews and that expires when the holder is gone.
 */
public interface RunLock extends AutoCloseable {

    /** Folder of the locks under the output directory. */
    String FOLDER = "_locks";

    /**
     * Takes the lock of a run.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFLICT if somebody else holds it
     */
    static RunLock acquire(Configuration hadoop, String root, String runId) {
        try {
            Path path = new Path(new Path(root, FOLDER), runId);
            FileSystem files = path.getFileSystem(hadoop);
            files.mkdirs(path.getParent());
            return files instanceof LocalFileSystem local
                    ? LocalRunLock.acquire(local.pathToFile(path).toPath(), runId)
                    : LeaseRunLock.acquire(files, path, runId);
        } catch (IOException e) {
            throw PipelineErrors.outputUnusable(root, e);
        }
    }

    /** Gives the lock back. */
    @Override
    void close();
}
