// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;

/**
 * A file of a Hadoop filesystem.
 *
 * @param system which one
 * @param status what it says of the file
 */
record StoreFile(FileSystem system, FileStatus status) implements RemoteFile {

    @Override
    public String name() {
        return status.getPath().getName();
    }

    @Override
    public long size() {
        return status.getLen();
    }

    @Override
    public Opened open(long position) throws IOException {
        FSDataInputStream in = system.open(status.getPath());
        try {
            in.seek(position);
            return new Opened(in, position);
        } catch (IOException | RuntimeException e) {
            in.close();
            throw e;
        }
    }
}
