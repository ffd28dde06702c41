// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** The escapes of Python's string literals. */
final class Escapes {

    private Escapes() {}

    static String decode(String text, int line) {
        if (text.indexOf('\\') < 0) {
            return text;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            i = c == '\\' && i + 1 < text.length() ? escape(text, i + 1, out, line) : plain(c, i, out);
        }
        return out.toString();
    }

    private static int plain(char c, int at, StringBuilder out) {
        out.append(c);
        return at;
    }

    /** Appends what the escape at {@code at} (after its backslash) means, and gives the index of its last character. */
    private static int escape(String text, int at, StringBuilder out, int line) {
        char c = text.charAt(at);
        int simple = "\n\\'\"abfnrtv".indexOf(c);
        if (simple > 0) {
            out.append("\\'\"\u0007\b\f\n\r\t\u000B".charAt(simple - 1));
            return at;
        }
        switch (c) {
            case '\n':
                return at;
            case 'x':
                return hex(text, at, 2, out, line);
            case 'u':
                return hex(text, at, 4, out, line);
            case 'U':
                return hex(text, at, 8, out, line);
            case 'N':
                throw new TemplateException("the escape \\N{…} isn't supported", line);
            default:
                return c >= '0' && c <= '7' ? octal(text, at, out) : unknown(c, at, out);
        }
    }

    private static int unknown(char c, int at, StringBuilder out) {
        out.append('\\').append(c);
        return at;
    }

    private static int octal(String text, int at, StringBuilder out) {
        int end = at;
        int value = 0;
        while (end < text.length() && end < at + 3 && text.charAt(end) >= '0' && text.charAt(end) <= '7') {
            value = value * 8 + text.charAt(end++) - '0';
        }
        out.append((char) value);
        return end - 1;
    }

    private static int hex(String text, int at, int digits, StringBuilder out, int line) {
        try {
            String code = text.substring(at + 1, at + 1 + digits);
            if (code.startsWith("+") || code.startsWith("-")) {
                throw new NumberFormatException(code);
            }
            out.appendCodePoint(Integer.parseInt(code, 16));
            return at + digits;
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            char kind = text.charAt(at);
            String form = kind == 'x' ? "\\xXX" : kind == 'u' ? "\\uXXXX" : "\\UXXXXXXXX";
            throw new TemplateException("truncated " + form + " escape", line);
        }
    }
}
