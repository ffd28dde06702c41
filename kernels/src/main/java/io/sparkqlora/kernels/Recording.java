// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Operations that can be issued again, with what their tensors hold then. {@link Device#record} makes it. */
public interface Recording extends AutoCloseable {

    /** Issues the operations. */
    void run();

    /** Whether memory was freed since it was recorded, which may be memory that it uses: then it can't be run any more. */
    boolean stale();

    /** Frees what it holds. Closing twice is harmless. */
    @Override
    void close();
}
