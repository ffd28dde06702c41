// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.Outcome;

/** Thrown inside this package on the way to a rejection. */
final class RejectedExample extends Exception {

    private static final long serialVersionUID = 1L;

    private final transient Outcome.Rejected outcome;

    RejectedExample(RejectionReason reason, String detail) {
        this(reason.of(detail));
    }

    private RejectedExample(Outcome.Rejected outcome) {
        // one in a thousand rows may be bad: a stack trace for each is no use
        super(outcome.detail(), null, false, false);
        this.outcome = outcome;
    }

    /** The same of a part of the example. */
    RejectedExample in(String part) {
        return new RejectedExample(new Outcome.Rejected(outcome.reason(), part + ": " + outcome.detail()));
    }

    Outcome.Rejected outcome() {
        return outcome;
    }
}
