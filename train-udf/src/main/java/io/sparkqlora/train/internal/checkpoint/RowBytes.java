// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.nio.ByteBuffer;

/**
 * Rows of a tensor as bytes, for sources that know rows only.
 *
 * @param weights where the tensor is
 * @param name of the tensor
 * @param from first row
 * @param to after the last row
 */
public record RowBytes(WeightSource weights, String name, long from, long to) implements ByteSource {

    private long rowBytes() {
        TensorInfo info = weights.info(name);
        return info.cols() * info.dtype().bytes();
    }

    @Override
    public long bytes() {
        return (to - from) * rowBytes();
    }

    @Override
    public ByteBuffer read(long position, int count, ByteBuffer space) {
        long width = rowBytes();
        long first = from + position / width;
        long after = from + (position + count + width - 1) / width;
        ByteBuffer rows = weights.readRows(name, first, after);
        int skip = (int) (position - (first - from) * width);
        ByteBuffer out = space.duplicate().clear();
        return out.put(rows.slice(rows.position() + skip, count)).flip();
    }
}
