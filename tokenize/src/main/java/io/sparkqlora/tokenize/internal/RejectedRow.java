// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

/** Ends the reading of a row that can't be used; caught where the row came from. */
final class RejectedRow extends Exception {

    private static final long serialVersionUID = 1L;

    private final String reason;

    /**
     * @param reason one of a few fixed words, for counting
     * @param detail what is wrong with this row
     */
    RejectedRow(String reason, String detail) {
        // no stack trace: this is an outcome, and a dataset may have millions of it
        super(detail, null, false, false);
        this.reason = reason;
    }

    /** The outcome that it stands for. */
    Outcome.Rejected outcome() {
        return new Outcome.Rejected(reason, getMessage());
    }
}
