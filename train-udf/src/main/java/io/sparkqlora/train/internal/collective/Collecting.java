// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;

/** A payload of any length up to a limit. */
final class Collecting implements Receipt {

    private final int limit;
    private ByteBuffer bytes;

    Collecting(int limit) {
        this.limit = limit;
    }

    @Override
    public boolean accepts(int length) {
        bytes = length <= limit ? ByteBuffer.allocate(length) : null;
        return bytes != null;
    }

    @Override
    public ByteBuffer room() {
        return bytes.hasRemaining() ? bytes : null;
    }

    byte[] bytes() {
        return bytes.array();
    }
}
