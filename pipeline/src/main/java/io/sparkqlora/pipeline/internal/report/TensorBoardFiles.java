// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import io.sparkqlora.pipeline.DataErrors;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Row;

/**
 * Event files for TensorBoard, one a chunk, on any Hadoop filesystem. A file is written under another name and then renamed, so
 * it is there whole or not at all, and one that is written again has the same content. TensorBoard reads the files of a folder in
 * the order of their names, which is that of the chunks.
 */
public final class TensorBoardFiles implements RunReport {

    private static final double MILLIS = 1e3;

    private final FileSystem system;
    private final Path folder;

    /**
     * The files of a run.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P136 if its folder can't be made
     */
    public TensorBoardFiles(Configuration hadoop, String loggingDir, String runId) {
        this.folder = new Path(loggingDir, runId);
        try {
            this.system = folder.getFileSystem(hadoop);
            if (!system.mkdirs(folder)) {
                throw new IOException("no folder can be made there");
            }
        } catch (IOException e) {
            throw DataErrors.reportNotWritten("logging_dir " + folder, e);
        }
    }

    @Override
    public boolean has(long chunk) {
        try {
            return system.exists(file(chunk));
        } catch (IOException e) {
            throw DataErrors.reportNotWritten("logging_dir " + folder, e);
        }
    }

    @Override
    public void tell(long chunk, List<Row> metrics) {
        Path written = new Path(folder, "_" + file(chunk).getName());
        try {
            try (OutputStream out = system.create(written, true)) {
                out.write(bytes(metrics));
            }
            system.delete(file(chunk), false);
            if (!system.rename(written, file(chunk))) {
                throw new IOException(written + " can't be renamed");
            }
        } catch (IOException e) {
            throw DataErrors.reportNotWritten("logging_dir " + folder, e);
        }
    }

    private Path file(long chunk) {
        return new Path(folder, String.format("events.out.tfevents.%010d.spark-qlora", chunk));
    }

    private static byte[] bytes(List<Row> metrics) {
        List<Scalars> all = metrics.stream().map(Scalars::of).toList();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        double start = all.stream().mapToLong(Scalars::millis).min().orElse(0) / MILLIS;
        TfRecord.append(Event.version(start), out);
        for (Scalars each : all) {
            TfRecord.append(Event.scalars(each.millis() / MILLIS, each.step(), each.values()), out);
        }
        return out.toByteArray();
    }
}
