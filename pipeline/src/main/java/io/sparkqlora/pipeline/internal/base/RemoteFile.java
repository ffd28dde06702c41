// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;

/** A file somewhere else. */
interface RemoteFile {

    /** What people call it. */
    String name();

    /** How long it is. */
    long size();

    /**
     * Its bytes from a position on, or from an earlier one.
     *
     * @throws IOException if another attempt may succeed; anything else is thrown at once
     */
    Opened open(long position) throws IOException;

    /**
     * Checks that a copy of the right size is one.
     *
     * @throws OtherBytes if it is not
     */
    default void verify(Path copy) throws IOException {}

    /**
     * Bytes that come.
     *
     * @param bytes them
     * @param position of the first in the file
     */
    record Opened(InputStream bytes, long position) {}

    /** A copy has other bytes than the file. */
    final class OtherBytes extends IOException {

        private static final long serialVersionUID = 1L;

        OtherBytes(String problem) {
            super(problem);
        }
    }
}
