// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;

/**
 * A payload that replaces what was there.
 *
 * @param target exactly as long
 */
record Overwriting(ByteBuffer target) implements Receipt {

    @Override
    public boolean accepts(int length) {
        return length == target.remaining();
    }

    @Override
    public ByteBuffer room() {
        return target.hasRemaining() ? target : null;
    }
}
