// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.kernels.ByteSource;
import java.nio.ByteBuffer;

/**
 * A stretch of a file.
 *
 * @param file the file
 * @param begin its first byte's place there
 * @param bytes how many
 */
record FileBytes(WeightFile file, long begin, long bytes) implements ByteSource {

    @Override
    public ByteBuffer read(long position, int count, ByteBuffer space) {
        return file.read(begin + position, count, space);
    }
}
