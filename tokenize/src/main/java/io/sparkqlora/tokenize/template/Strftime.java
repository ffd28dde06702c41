// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.time.Clock;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;

/** {@code datetime.now().strftime(format)}, in the C locale. */
final class Strftime {

    private static final Map<Character, String> PATTERNS = Map.ofEntries(
            Map.entry('Y', "uuuu"),
            Map.entry('y', "uu"),
            Map.entry('m', "MM"),
            Map.entry('d', "dd"),
            Map.entry('H', "HH"),
            Map.entry('I', "hh"),
            Map.entry('M', "mm"),
            Map.entry('S', "ss"),
            Map.entry('f', "SSSSSS"),
            Map.entry('j', "DDD"),
            Map.entry('p', "a"),
            Map.entry('a', "EEE"),
            Map.entry('A', "EEEE"),
            Map.entry('b', "MMM"),
            Map.entry('h', "MMM"),
            Map.entry('B', "MMMM"),
            Map.entry('F', "uuuu-MM-dd"),
            Map.entry('T', "HH:mm:ss"),
            Map.entry('R', "HH:mm"),
            Map.entry('D', "MM/dd/uu"));

    private Strftime() {}

    static String format(String format, Clock clock) {
        ZonedDateTime now = ZonedDateTime.now(clock);
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char c = format.charAt(i);
            if (c != '%' || i + 1 == format.length()) {
                out.append(c);
                continue;
            }
            boolean bare = format.charAt(i + 1) == '-' && i + 2 < format.length();
            i += bare ? 2 : 1;
            out.append(directive(format.charAt(i), bare, now));
        }
        return out.toString();
    }

    private static String directive(char directive, boolean bare, ZonedDateTime now) {
        String simple =
                switch (directive) {
                    case '%' -> "%";
                    case 'n' -> "\n";
                    case 't' -> "\t";
                    case 'z', 'Z' -> ""; // datetime.now() knows no zone
                    default -> null;
                };
        if (simple != null) {
            return simple;
        }
        String pattern = PATTERNS.get(directive);
        if (pattern == null) {
            throw new TemplateException("the directive %" + directive + " of strftime_now isn't supported");
        }
        String text = now.format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH));
        return bare ? text.replaceFirst("^0+(?=\\d)", "") : text;
    }
}
