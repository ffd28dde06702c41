// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** The recording of a backend that records nothing: the operations are issued one by one each time. */
record RepeatedCalls(Runnable operations) implements Recording {

    @Override
    public void run() {
        operations.run();
    }

    @Override
    public boolean stale() {
        return false;
    }

    @Override
    public void close() {}
}
