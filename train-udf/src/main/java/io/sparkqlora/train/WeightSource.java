// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.train.internal.checkpoint.RowBytes;
import java.nio.ByteBuffer;
import java.util.Set;

/** Named weights that can be read a piece at a time. Safe to read from several threads. */
public interface WeightSource {

    /** Names of all tensors, in the order of their storage. */
    Set<String> names();

    /** Whether there is a tensor of that name. */
    default boolean contains(String name) {
        return names().contains(name);
    }

    /**
     * Type and shape of a tensor.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if there is none of that name
     */
    TensorInfo info(String name);

    /**
     * Rows {@code from} (inclusive) to {@code to} (exclusive) of a tensor, row-major, little-endian, as a buffer with
     * position 0 whose contents must not be changed. A vector has one row. The rows asked for take at most
     * {@link Integer#MAX_VALUE} bytes; bigger tensors are read in pieces.
     */
    ByteBuffer readRows(String name, long from, long to);

    /** The bytes of rows {@code from} to {@code to}, as {@link #readRows} gives them, to be read in pieces by several threads. */
    default ByteSource rows(String name, long from, long to) {
        return new RowBytes(this, name, from, to);
    }

    /** A whole tensor: all its rows. */
    default ByteBuffer read(String name) {
        return readRows(name, 0, info(name).rows());
    }
}
