// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** Python's view of text: code points, its notion of blanks. */
final class Text {

    private Text() {}

    /** What {@code str.isspace} and the regular expression {@code \s} accept. */
    static boolean isSpace(int c) {
        if (c < 128) {
            return c == ' ' || (c >= 9 && c <= 13) || (c >= 28 && c <= 31);
        }
        return c == 0x85
                || c == 0xA0
                || c == 0x1680
                || (c >= 0x2000 && c <= 0x200A)
                || c == 0x2028
                || c == 0x2029
                || c == 0x202F
                || c == 0x205F
                || c == 0x3000;
    }

    static boolean isBlank(String text, int from) {
        return skipBlanks(text, from) == text.length();
    }

    static int skipBlanks(String text, int from) {
        int at = Math.min(from, text.length());
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    static String rstrip(String text) {
        int end = text.length();
        while (end > 0 && isSpace(text.charAt(end - 1))) {
            end--;
        }
        return text.substring(0, end);
    }

    static String lstrip(String text) {
        return text.substring(skipBlanks(text, 0));
    }

    /** Strips characters of {@code chars} (blanks if null) from the left, the right or both. */
    static String strip(String text, String chars, boolean left, boolean right) {
        if (chars == null) {
            String rest = left ? lstrip(text) : text;
            return right ? rstrip(rest) : rest;
        }
        int start = 0;
        int end = text.length();
        while (left && start < end && chars.indexOf(text.codePointAt(start)) >= 0) {
            start += Character.charCount(text.codePointAt(start));
        }
        while (right && end > start && chars.indexOf(text.codePointBefore(end)) >= 0) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(start, end);
    }

    /** Length in code points. */
    static int length(String text) {
        return text.codePointCount(0, text.length());
    }

    /** The character at a code point index that lies inside. */
    static String at(String text, int index) {
        int from = text.offsetByCodePoints(0, index);
        return text.substring(from, from + Character.charCount(text.codePointAt(from)));
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.codePointAt(0);
        return titleCase(first) + lower(text.substring(Character.charCount(first)));
    }

    static String titleCase(int c) {
        int title = Character.toTitleCase(c);
        String upper = upper(Character.toString(c));
        if (title == c && upper.codePointCount(0, upper.length()) > 1) {
            int first = upper.codePointAt(0);
            return Character.toString(first) + lower(upper.substring(Character.charCount(first)));
        }
        return Character.toString(title);
    }

    static String upper(String text) {
        return text.toUpperCase(java.util.Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(java.util.Locale.ROOT);
    }

    static String escapeHtml(String text) {
        return text.replace("&", "&amp;")
                .replace(">", "&gt;")
                .replace("<", "&lt;")
                .replace("'", "&#39;")
                .replace("\"", "&#34;");
    }
}
