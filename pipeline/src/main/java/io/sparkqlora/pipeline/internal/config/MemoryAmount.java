// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Amounts of memory as accelerate reads them: {@code 24GiB}, {@code 24GB}, or bytes. Units are of bytes, in any case. */
public final class MemoryAmount {

    private static final Pattern AMOUNT = Pattern.compile("(\\d{1,18}(?:\\.\\d{1,6})?)\\s*([KMGT]?I?B)?");

    private static final Map<String, Long> UNITS = Map.of(
            "B", 1L,
            "KB", 1_000L,
            "MB", 1_000_000L,
            "GB", 1_000_000_000L,
            "TB", 1_000_000_000_000L,
            "KIB", 1L << 10,
            "MIB", 1L << 20,
            "GIB", 1L << 30,
            "TIB", 1L << 40);

    private MemoryAmount() {}

    /** Its bytes, rounded down; empty if the text is no amount above zero, or more than there can be. */
    public static OptionalLong bytes(String text) {
        Matcher amount = AMOUNT.matcher(text.strip().toUpperCase(Locale.ROOT));
        Long unit = amount.matches() ? UNITS.get(amount.group(2) == null ? "B" : amount.group(2)) : null;
        if (unit == null) {
            return OptionalLong.empty();
        }
        BigDecimal bytes = new BigDecimal(amount.group(1)).multiply(BigDecimal.valueOf(unit));
        boolean possible =
                bytes.compareTo(BigDecimal.ONE) >= 0 && bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) <= 0;
        return possible ? OptionalLong.of(bytes.longValue()) : OptionalLong.empty();
    }
}
