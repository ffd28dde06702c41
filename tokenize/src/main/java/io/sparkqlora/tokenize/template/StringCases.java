// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** Upper, lower and title case. */
final class StringCases {

    private StringCases() {}

    /** {@code str.title}: each letter after something that has no case. */
    static String title(String text) {
        StringBuilder out = new StringBuilder();
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            out.append(inWord ? Text.lower(Character.toString(c)) : Text.titleCase(c));
            inWord = isCased(c);
        }
        return out.toString();
    }

    static String swap(String text) {
        StringBuilder out = new StringBuilder();
        text.codePoints().forEach(c -> {
            String character = Character.toString(c);
            out.append(Character.isUpperCase(c) ? Text.lower(character) : Text.upper(character));
        });
        return out.toString();
    }

    static boolean isCased(String text, boolean upper) {
        return text.codePoints().anyMatch(StringCases::isCased)
                && text.codePoints()
                        .filter(StringCases::isCased)
                        .allMatch(c -> upper ? Character.isUpperCase(c) : Character.isLowerCase(c));
    }

    private static boolean isCased(int c) {
        return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
    }

    /** Decimal digits and those like superscripts. */
    static boolean isDigit(int c) {
        return Character.isDigit(c)
                || c == 0xB2
                || c == 0xB3
                || c == 0xB9
                || c == 0x2070
                || (c >= 0x2074 && c <= 0x2079)
                || (c >= 0x2080 && c <= 0x2089);
    }
}
