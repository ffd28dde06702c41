// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Memory;

/** A part of memory that something else owns. */
record Borrowed(long address, long bytes) implements Memory {

    @Override
    public void close() {}
}
