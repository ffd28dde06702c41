// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.Arrays;
import java.util.Locale;

/** How sequences come to share rows; the values of TRL's {@code packing_strategy}. */
public enum PackingStrategy {
    /** Best-fit decreasing: sequences stay whole, up to the length of a row, and never see each other. */
    BFD,
    /** All tokens one after the other, cut where a row is full: nothing is lost, but a row is one sequence to the model. */
    WRAPPED;

    /** The name as job files spell it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** All names. */
    public static String[] keys() {
        return Arrays.stream(values()).map(PackingStrategy::key).toArray(String[]::new);
    }

    /** The value of a name. */
    public static PackingStrategy of(String key) {
        return valueOf(key.toUpperCase(Locale.ROOT));
    }
}
