// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import io.sparkqlora.kernels.QLoraException.Kind;

/** The errors of this module. Codes are never reused. */
public final class KernelErrors {

    private KernelErrors() {}

    /** The arena was planned too small: a fault of the plan, not of the user. */
    static QLoraException arenaFull(long need, long have, long size) {
        return new QLoraException(
                "QLORA-K001",
                Kind.RESOURCES,
                "the step's buffers need " + need + " more bytes, " + have + " of " + size
                        + " are left: the memory plan and the step disagree; please report this with the job file",
                null);
    }

    /** A device has too little memory. */
    public static QLoraException outOfMemory(String device, String purpose, long need, long have, String fix) {
        return new QLoraException(
                "QLORA-K002",
                Kind.RESOURCES,
                "not enough memory on " + device + " for " + purpose + ": needs " + need + " bytes, " + have
                        + " are free; " + fix,
                null);
    }
}
