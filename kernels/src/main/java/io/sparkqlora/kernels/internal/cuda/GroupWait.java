// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * How a member of a group waits for the others: it looks, and looks away in between.
 *
 * @param timeout for how long
 * @param check called at every look; what it throws ends the wait
 */
record GroupWait(Duration timeout, Runnable check) {

    private static final long LOOK_NANOS = 50_000; // small beside a step, large beside a look

    /**
     * Waits until {@code done} says so.
     *
     * @param doing in words that fit "while …"
     * @throws io.sparkqlora.kernels.QLoraException RANK_LOST when the time is over
     */
    void until(BooleanSupplier done, String doing) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!done.getAsBoolean()) {
            check.run();
            if (System.nanoTime() > deadline) {
                throw KernelErrors.groupTimedOut(doing, timeout.toSeconds());
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }
}
