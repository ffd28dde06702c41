// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.Serializable;
import java.util.Map;

/**
 * The columns of preference rows: of each a better and a worse answer to one prompt.
 *
 * @param chosen the column of better answers, or null to find it
 * @param rejected the column of the others, or null to find it
 */
public record PreferenceColumns(String chosen, String rejected) implements Serializable {

    private static final long serialVersionUID = 1L;

    /** Both found by their usual names, {@code chosen} and {@code rejected}. */
    public static final PreferenceColumns USUAL = new PreferenceColumns(null, null);

    /** @throws io.sparkqlora.kernels.QLoraException QLORA-D070 for one of the two alone */
    public PreferenceColumns {
        if ((chosen == null) != (rejected == null)) {
            throw TokenizeErrors.halfAPreference(
                    chosen == null ? "rejected_column" : "chosen_column", chosen == null ? rejected : chosen);
        }
    }

    /**
     * Checks the options beside them.
     *
     * @param others what preference rows don't have, by key; null where it isn't set
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D071 for one that is
     */
    static void requireUnset(Map<String, String> others) {
        others.forEach((key, value) -> {
            if (value != null) {
                throw TokenizeErrors.notOfPreferences(key, value);
            }
        });
    }
}
