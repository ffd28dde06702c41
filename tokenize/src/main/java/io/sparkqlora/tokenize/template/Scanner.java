// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Token.Type;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads one token of an expression: a number, a name, a string or an operator. */
final class Scanner {

    private static final Pattern FLOAT = Pattern.compile(
            "(?<!\\.)(\\d+_)*\\d+((\\.(\\d+_)*\\d+)?e[+\\-]?(\\d+_)*\\d+|\\.(\\d+_)*\\d+)", Pattern.CASE_INSENSITIVE);
    private static final Pattern INTEGER = Pattern.compile(
            "0b(_?[0-1])+|0o(_?[0-7])+|0x(_?[\\da-f])+|[1-9](_?\\d)*|0(_?0)*", Pattern.CASE_INSENSITIVE);
    private static final List<Type> OPERATORS = Arrays.stream(Type.values())
            .filter(type -> type.compareTo(Type.ADD) >= 0 && type.compareTo(Type.EOF) < 0)
            .sorted(Comparator.comparing((Type type) -> -type.text().length()))
            .toList();

    private final String source;
    private int end;

    Scanner(String source) {
        this.source = source;
    }

    /** Where the last token ended. */
    int end() {
        return end;
    }

    Token next(int at, int line) {
        char c = source.charAt(at);
        if (c >= '0' && c <= '9') {
            Token number = number(at, line);
            if (number != null) {
                return number;
            }
        }
        if (c == '_' || Character.isUnicodeIdentifierStart(source.codePointAt(at))) {
            return name(at, line);
        }
        if (c == '\'' || c == '"') {
            return string(at, line);
        }
        return operator(at, line);
    }

    private Token number(int at, int line) {
        Matcher matcher = FLOAT.matcher(source).region(at, source.length()).useTransparentBounds(true);
        if (matcher.lookingAt()) {
            end = matcher.end();
            return new Token(Type.FLOAT, Double.valueOf(matcher.group().replace("_", "")), line);
        }
        matcher = INTEGER.matcher(source).region(at, source.length());
        if (!matcher.lookingAt()) {
            return null;
        }
        end = matcher.end();
        return new Token(Type.INTEGER, integer(matcher.group().replace("_", ""), line), line);
    }

    private static Long integer(String digits, int line) {
        try {
            if (digits.length() > 2 && Character.isLetter(digits.charAt(1))) {
                char base = Character.toLowerCase(digits.charAt(1));
                return Long.valueOf(digits.substring(2), base == 'x' ? 16 : base == 'o' ? 8 : 2);
            }
            return Long.valueOf(digits);
        } catch (NumberFormatException e) {
            throw new TemplateException("the integer " + digits + " is beyond 64 bits, which isn't supported", line);
        }
    }

    private Token name(int at, int line) {
        end = at;
        while (end < source.length()) {
            int c = source.codePointAt(end);
            if (c != '_' && !Character.isUnicodeIdentifierPart(c)) {
                break;
            }
            end += Character.charCount(c);
        }
        return new Token(Type.NAME, source.substring(at, end), line);
    }

    private Token string(int at, int line) {
        char quote = source.charAt(at);
        for (int i = at + 1; i < source.length(); i++) {
            char c = source.charAt(i);
            if (c == '\\') {
                i++;
            } else if (c == quote) {
                end = i + 1;
                return new Token(Type.STRING, Escapes.decode(source.substring(at + 1, i), line), line);
            }
        }
        throw unexpected(at, line);
    }

    private Token operator(int at, int line) {
        for (Type type : OPERATORS) {
            if (source.startsWith(type.text(), at)) {
                end = at + type.text().length();
                return new Token(type, null, line);
            }
        }
        throw unexpected(at, line);
    }

    private TemplateException unexpected(int at, int line) {
        String character = new String(Character.toChars(source.codePointAt(at)));
        return new TemplateException(
                "unexpected char " + Repr.repr(character) + " at " + source.codePointCount(0, at), line);
    }
}
