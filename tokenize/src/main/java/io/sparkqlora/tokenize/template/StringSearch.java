// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;
import java.util.Map;

/** find, count, startswith and their like; positions are code points. */
final class StringSearch {

    static final Map<String, StringMethods.Method> METHODS = Map.of(
            "find", (self, a) -> find("find", self, a, false),
            "rfind", (self, a) -> find("rfind", self, a, true),
            "index", (self, a) -> index(find("index", self, a, false)),
            "rindex", (self, a) -> index(find("rindex", self, a, true)),
            "count", StringSearch::count,
            "startswith", (self, a) -> affix("startswith", self, a),
            "endswith", (self, a) -> affix("endswith", self, a));

    private StringSearch() {}

    /** The part of the text that the optional start and end arguments leave, and where it starts. */
    private record Part(String text, long start, boolean empty) {

        static Part of(String name, String self, List<Object> values) {
            if (values.isEmpty() || values.size() > 3) {
                throw new TemplateException(name + "() takes "
                        + (values.isEmpty()
                                ? "at least 1 argument (0 given)"
                                : "at most 3 arguments (" + values.size() + " given)"));
            }
            long size = Text.length(self);
            long start = values.size() > 1 ? bound(values.get(1), size, 0) : 0;
            long end = values.size() > 2 ? Math.min(size, bound(values.get(2), size, size)) : size;
            if (start > end) {
                return new Part("", start, true);
            }
            int from = self.offsetByCodePoints(0, (int) start);
            int to = self.offsetByCodePoints(from, (int) (end - start));
            return new Part(self.substring(from, to), start, false);
        }

        private static long bound(Object value, long size, long otherwise) {
            if (value == null) {
                return otherwise;
            }
            if (!Types.isInteger(value)) {
                throw new TemplateException("slice indices must be integers or None or have an __index__ method");
            }
            long at = Types.asLong(value);
            return at < 0 ? Math.max(0, at + size) : at;
        }
    }

    private static long find(String name, String self, Arguments arguments, boolean last) {
        Part part = Part.of(name, self, arguments.positional());
        String wanted = text(arguments.positional().get(0));
        int at = part.empty ? -1 : last ? part.text.lastIndexOf(wanted) : part.text.indexOf(wanted);
        return at < 0 ? -1 : part.start + part.text.codePointCount(0, at);
    }

    private static Object index(long found) {
        if (found < 0) {
            throw new TemplateException("substring not found");
        }
        return found;
    }

    private static Object count(String self, Arguments arguments) {
        Part part = Part.of("count", self, arguments.positional());
        String wanted = text(arguments.positional().get(0));
        if (part.empty) {
            return 0L;
        }
        if (wanted.isEmpty()) {
            return (long) Text.length(part.text) + 1;
        }
        long count = 0;
        for (int at = part.text.indexOf(wanted); at >= 0; at = part.text.indexOf(wanted, at + wanted.length())) {
            count++;
        }
        return count;
    }

    private static String text(Object value) {
        if (value instanceof String || value instanceof Markup) {
            return Repr.str(value);
        }
        throw new TemplateException("must be str, not " + Types.name(value));
    }

    private static Object affix(String name, String self, Arguments arguments) {
        Part part = Part.of(name, self, arguments.positional());
        Object wanted = arguments.positional().get(0);
        if (wanted instanceof Tuple tuple) {
            return tuple.stream()
                    .anyMatch(item -> affix(name, part, item, "tuple for " + name + " must only contain str, not "));
        }
        return affix(name, part, wanted, name + " first arg must be str or a tuple of str, not ");
    }

    private static boolean affix(String name, Part part, Object wanted, String problem) {
        if (!(wanted instanceof String) && !(wanted instanceof Markup)) {
            throw new TemplateException(problem + Types.name(wanted));
        }
        String text = Repr.str(wanted);
        return !part.empty && (name.equals("startswith") ? part.text.startsWith(text) : part.text.endsWith(text));
    }
}
