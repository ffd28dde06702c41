// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.Serializable;

/**
 * Which rows are held out of training. A hash of a row's own content decides, so rows that are added move none, copies stay
 * together, and neither file order, template nor tokenizer matters.
 *
 * @param percentage of rows that are held out, above 0 and below 100
 * @param validation whether those are wanted, or the others
 */
public record ValidationSplit(double percentage, boolean validation) implements Serializable {

    private static final long serialVersionUID = 1L;

    public ValidationSplit {
        if (!(percentage > 0 && percentage < 100)) {
            throw TokenizeErrors.badOption(
                    "validation_split_percentage", percentage, "it must be above 0 and below 100");
        }
    }

    /** The rows that are trained on. */
    public static ValidationSplit training(double percentage) {
        return new ValidationSplit(percentage, false);
    }

    /** The rows that are held out. */
    public ValidationSplit heldOut() {
        return new ValidationSplit(percentage, true);
    }

    /** Whether a row is wanted, by a number of its own from 0 to 1. */
    public boolean takes(double place) {
        return place < percentage / 100 == validation;
    }
}
