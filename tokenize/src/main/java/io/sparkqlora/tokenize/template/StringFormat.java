// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;

/** {@code str.format} with plain fields: {@code {}}, {@code {0}}, {@code {name}}, {@code {name.attribute}}. */
final class StringFormat {

    private StringFormat() {}

    static Object format(String self, Arguments arguments) {
        StringBuilder out = new StringBuilder();
        int automatic = 0;
        for (int i = 0; i < self.length(); i++) {
            char c = self.charAt(i);
            boolean doubled = i + 1 < self.length() && self.charAt(i + 1) == c;
            if (c != '{' && c != '}') {
                out.append(c);
            } else if (doubled) {
                out.append(c);
                i++;
            } else {
                int end = end(self, i);
                String field = self.substring(i + 1, end);
                out.append(Repr.str(value(field.isEmpty() ? "" + automatic++ : field, arguments)));
                Limits.text(out.length());
                i = end;
            }
        }
        return out.toString();
    }

    private static int end(String self, int open) {
        if (self.charAt(open) == '}') {
            throw new TemplateException("Single '}' encountered in format string");
        }
        int end = self.indexOf('}', open);
        if (end < 0) {
            throw new TemplateException(
                    open + 1 == self.length()
                            ? "Single '{' encountered in format string"
                            : "expected '}' before end of string");
        }
        String field = self.substring(open + 1, end);
        if (field.matches("(?s).*[:!\\[{].*")) {
            throw new TemplateException("the format field {" + field + "} isn't supported in chat templates here");
        }
        return end;
    }

    private static Object value(String field, Arguments arguments) {
        List<String> parts = List.of(field.split("\\.", -1));
        Object value = first(parts.get(0), arguments);
        for (String name : parts.subList(1, parts.size())) {
            value = Attributes.attribute(value, name);
        }
        return value;
    }

    private static Object first(String name, Arguments arguments) {
        if (!name.isEmpty() && name.chars().allMatch(c -> c >= '0' && c <= '9')) {
            int index = name.length() > 6 ? Integer.MAX_VALUE : Integer.parseInt(name);
            if (index >= arguments.positional().size()) {
                throw new TemplateException("Replacement index " + name + " out of range for positional args tuple");
            }
            return arguments.positional().get(index);
        }
        if (!arguments.named().containsKey(name)) {
            throw new TemplateException(Repr.repr(name));
        }
        return arguments.named().get(name);
    }
}
