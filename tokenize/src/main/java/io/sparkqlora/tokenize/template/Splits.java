// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** split, rsplit, splitlines, partition. */
final class Splits {

    private static final Signature SPLIT = new Signature("split", "sep?", "maxsplit?");
    private static final Signature LINES = new Signature("splitlines", "keepends?");

    private Splits() {}

    static Object split(String self, Arguments arguments) {
        Signature.Bound bound = SPLIT.bind(arguments);
        String separator = separator(bound.get("sep", null));
        long most = bound.integer("maxsplit", -1);
        return separator == null ? words(self, most) : split(self, separator, most);
    }

    static Object rsplit(String self, Arguments arguments) {
        Signature.Bound bound = SPLIT.bind(arguments);
        String separator = separator(bound.get("sep", null));
        long most = bound.integer("maxsplit", -1);
        String reversed = reverse(self);
        List<Object> parts = separator == null ? words(reversed, most) : split(reversed, reverse(separator), most);
        parts.replaceAll(part -> reverse((String) part));
        Collections.reverse(parts);
        return parts;
    }

    private static String reverse(String text) {
        return new StringBuilder(text).reverse().toString();
    }

    private static String separator(Object value) {
        if (value == null) {
            return null;
        }
        String separator = Types.text(value, "separator");
        if (separator.isEmpty()) {
            throw new TemplateException("empty separator");
        }
        return separator;
    }

    private static List<Object> split(String text, String separator, long most) {
        List<Object> parts = new ArrayList<>();
        int from = 0;
        int at = text.indexOf(separator);
        while (at >= 0 && (most < 0 || parts.size() < most)) {
            parts.add(text.substring(from, at));
            from = at + separator.length();
            at = text.indexOf(separator, from);
        }
        parts.add(text.substring(from));
        return parts;
    }

    private static List<Object> words(String text, long most) {
        List<Object> words = new ArrayList<>();
        int at = Text.skipBlanks(text, 0);
        while (at < text.length()) {
            if (most >= 0 && words.size() >= most) {
                words.add(Text.rstrip(text.substring(at)));
                return words;
            }
            int end = at;
            while (end < text.length() && !Text.isSpace(text.charAt(end))) {
                end++;
            }
            words.add(text.substring(at, end));
            at = Text.skipBlanks(text, end);
        }
        return words;
    }

    static Object lines(String self, Arguments arguments) {
        return lines(self, LINES.bind(arguments).isTrue("keepends"));
    }

    static List<Object> lines(String text, boolean keepEnds) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        for (int i = 0; i < text.length(); i++) {
            if (isLineEnd(text.charAt(i))) {
                int end = i;
                if (text.charAt(i) == '\r' && i + 1 < text.length() && text.charAt(i + 1) == '\n') {
                    i++;
                }
                lines.add(text.substring(from, keepEnds ? i + 1 : end));
                from = i + 1;
            }
        }
        if (from < text.length()) {
            lines.add(text.substring(from));
        }
        return lines;
    }

    private static boolean isLineEnd(char c) {
        return (c >= '\n' && c <= '\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    }

    static Object partition(String self, Arguments arguments, boolean last) {
        Object value =
                arguments.positional().size() == 1 ? arguments.positional().get(0) : null;
        String separator =
                separator(value == null ? StringMethods.one(last ? "rpartition" : "partition", arguments) : value);
        int at = last ? self.lastIndexOf(separator) : self.indexOf(separator);
        if (at < 0) {
            return last ? Tuple.of("", "", self) : Tuple.of(self, "", "");
        }
        return Tuple.of(self.substring(0, at), separator, self.substring(at + separator.length()));
    }
}
