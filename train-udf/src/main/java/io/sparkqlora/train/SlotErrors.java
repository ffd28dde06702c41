// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** What can go wrong with several adapters over one base: codes T070 to T079. */
final class SlotErrors {

    private SlotErrors() {}

    /** An adapter asks for something that decides the memory of all. */
    static QLoraException notTheSessions(int slot, String name, Object value, Object ofSession) {
        return config(
                70,
                "the adapter of slot " + slot + " asks for " + name + " " + value + ", its session has " + ofSession
                        + "; adapters that are trained together have one " + name
                        + ": set it alike for all, or train this one in a session of its own");
    }

    /** Adapters that are trained together on several ranks. */
    static QLoraException severalRanks(int numProcesses) {
        return config(
                71,
                "num_processes is " + numProcesses
                        + ", but adapters that are trained together are on one device; set num_processes: 1, and spread"
                        + " adapters over executors instead");
    }

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }
}
