// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

/** A neighbour says that the ring is over. */
final class AbortException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final transient Abort abort;

    AbortException(Abort abort) {
        super(abort.message());
        this.abort = abort;
    }

    Abort abort() {
        return abort;
    }
}
