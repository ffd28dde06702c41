// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.Collection;

/** Errors of options that don't go together, of training and of adapters. Codes are never reused: T130–T149. */
public final class OptionErrors {

    private OptionErrors() {}

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }

    /** An option of a schedule that has no such option. */
    static QLoraException notOfScheduler(String option, String scheduler, Collection<String> known) {
        return config(
                130,
                "lr_scheduler_kwargs has " + option + ", which lr_scheduler_type " + scheduler + " doesn't know; "
                        + (known.isEmpty() ? "it has no options" : "its options are " + String.join(", ", known)));
    }
}
