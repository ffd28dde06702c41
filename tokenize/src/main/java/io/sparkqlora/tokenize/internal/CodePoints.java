// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

/** From positions in code points, as tokenizers counts them, to UTF-16 units, as Java does. */
final class CodePoints {

    private CodePoints() {}

    /** Turns positions in a text, in place. */
    static void toUnits(String text, int[]... positions) {
        if (!hasSurrogates(text)) {
            return;
        }
        int[] units = units(text);
        for (int[] each : positions) {
            for (int i = 0; i < each.length; i++) {
                each[i] = units[each[i]];
            }
        }
    }

    private static boolean hasSurrogates(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return true;
            }
        }
        return false;
    }

    /** The UTF-16 index of each code point, and of the end. */
    private static int[] units(String text) {
        int[] units = new int[text.codePointCount(0, text.length()) + 1];
        int unit = 0;
        for (int i = 0; i < units.length; i++) {
            units[i] = unit;
            unit += unit < text.length() ? Character.charCount(text.codePointAt(unit)) : 0;
        }
        return units;
    }
}
