// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;
import java.util.Map;

/** center, ljust, rjust, zfill. */
final class Padding {

    static final Map<String, StringMethods.Method> METHODS = Map.of(
            "center", (self, a) -> center(self, width("center", a), fill("center", a)),
            "ljust", (self, a) -> self + pad(self, width("ljust", a), fill("ljust", a)),
            "rjust", (self, a) -> pad(self, width("rjust", a), fill("rjust", a)) + self,
            "zfill", (self, a) -> zfill(self, width("zfill", a)));

    private Padding() {}

    private static long width(String name, Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            throw new TemplateException(name + " expected at least 1 argument, got 0");
        }
        return Types.index(arguments.positional().get(0));
    }

    private static String fill(String name, Arguments arguments) {
        List<Object> values = arguments.positional();
        if (values.size() < 2) {
            return " ";
        }
        String fill = Types.text(values.get(1), name + "() argument 2");
        if (Text.length(fill) != 1) {
            throw new TemplateException("The fill character must be exactly one character long");
        }
        return fill;
    }

    private static String pad(String self, long width, String fill) {
        long count = Math.max(0, width - Text.length(self));
        Limits.text(count);
        return fill.repeat((int) count);
    }

    static String center(String self, long width, String fill) {
        long count = Math.max(0, width - Text.length(self));
        Limits.text(count);
        // CPython puts the odd blank left if the width is odd
        int left = (int) (count / 2 + (count & width & 1));
        return fill.repeat(left) + self + fill.repeat((int) count - left);
    }

    private static String zfill(String self, long width) {
        String zeros = pad(self, width, "0");
        boolean signed = self.startsWith("-") || self.startsWith("+");
        return signed ? self.charAt(0) + zeros + self.substring(1) : zeros + self;
    }
}
