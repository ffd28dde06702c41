// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.nio.ByteBuffer;

/** Bytes outside a device, such as a tensor of a file, that several threads may read at any place at once. */
public interface ByteSource {

    /** What the beginning of the space for a read is a multiple of, so that a disk may write to it without a copy. */
    int ALIGNMENT = 4096;

    /** How much larger than the bytes that it is for the space of a read must be. */
    int SLACK = 2 * ALIGNMENT;

    /** How many bytes there are. */
    long bytes();

    /**
     * Reads {@code count} bytes from {@code position} on.
     *
     * @param space a direct buffer of at least {@code count + SLACK} bytes whose address is a multiple of {@link #ALIGNMENT};
     *     any of it may be overwritten
     * @return a duplicate of {@code space} whose position and limit enclose the bytes, wherever in it they came to lie
     * @throws QLoraException INPUT if they can't be read
     */
    ByteBuffer read(long position, int count, ByteBuffer space);
}
