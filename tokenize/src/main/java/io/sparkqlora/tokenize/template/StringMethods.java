// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The methods of Python's str. */
final class StringMethods {

    /** A method on the text. */
    interface Method {
        Object apply(String self, Arguments arguments);
    }

    private static final Set<String> NOT_SUPPORTED = Set.of(
            "encode",
            "expandtabs",
            "format_map",
            "isascii",
            "isdecimal",
            "isidentifier",
            "isnumeric",
            "isprintable",
            "istitle",
            "maketrans",
            "translate");
    private static final Map<String, Method> METHODS = new HashMap<>();

    static {
        METHODS.put("strip", (self, a) -> strip("strip", self, a, true, true));
        METHODS.put("lstrip", (self, a) -> strip("lstrip", self, a, true, false));
        METHODS.put("rstrip", (self, a) -> strip("rstrip", self, a, false, true));
        METHODS.put("upper", (self, a) -> Text.upper(none("upper", self, a)));
        METHODS.put("lower", (self, a) -> Text.lower(none("lower", self, a)));
        METHODS.put("casefold", (self, a) -> Text.lower(Text.upper(none("casefold", self, a))));
        METHODS.put("capitalize", (self, a) -> Text.capitalize(none("capitalize", self, a)));
        METHODS.put("title", (self, a) -> StringCases.title(none("title", self, a)));
        METHODS.put("swapcase", (self, a) -> StringCases.swap(none("swapcase", self, a)));
        METHODS.put("isupper", (self, a) -> StringCases.isCased(none("isupper", self, a), true));
        METHODS.put("islower", (self, a) -> StringCases.isCased(none("islower", self, a), false));
        METHODS.put("isalpha", (self, a) -> all(none("isalpha", self, a), Character::isLetter));
        METHODS.put("isdigit", (self, a) -> all(none("isdigit", self, a), StringCases::isDigit));
        METHODS.put(
                "isalnum",
                (self, a) -> all(none("isalnum", self, a), c -> Character.isLetter(c) || StringCases.isDigit(c)));
        METHODS.put("isspace", (self, a) -> all(none("isspace", self, a), Text::isSpace));
        METHODS.put("split", (self, a) -> Splits.split(self, a));
        METHODS.put("rsplit", (self, a) -> Splits.rsplit(self, a));
        METHODS.put("splitlines", (self, a) -> Splits.lines(self, a));
        METHODS.put("partition", (self, a) -> Splits.partition(self, a, false));
        METHODS.put("rpartition", (self, a) -> Splits.partition(self, a, true));
        METHODS.put("join", StringMethods::join);
        METHODS.put("replace", StringMethods::replace);
        METHODS.put("format", StringFormat::format);
        METHODS.put("removeprefix", (self, a) -> {
            String prefix = one("removeprefix", a);
            return self.startsWith(prefix) ? self.substring(prefix.length()) : self;
        });
        METHODS.put("removesuffix", (self, a) -> {
            String suffix = one("removesuffix", a);
            return self.endsWith(suffix) ? self.substring(0, self.length() - suffix.length()) : self;
        });
        METHODS.putAll(StringSearch.METHODS);
        METHODS.putAll(Padding.METHODS);
    }

    private StringMethods() {}

    /** The method of this name, or {@link HasAttributes#ABSENT}. */
    static Object find(Object self, String name) {
        Method method = METHODS.get(name);
        if (method == null) {
            if (NOT_SUPPORTED.contains(name)) {
                throw Attributes.unsupported(self, name);
            }
            return HasAttributes.ABSENT;
        }
        if (self instanceof Markup markup) {
            return new Callable(name, arguments -> safe(method.apply(markup.text(), escaped(name, arguments))));
        }
        return new Callable(name, arguments -> method.apply((String) self, arguments));
    }

    /** Markup's methods escape the text they bring in, and give markup. */
    private static Arguments escaped(String name, Arguments arguments) {
        if (name.equals("replace") && arguments.positional().size() > 1) {
            arguments
                    .positional()
                    .set(1, Markup.escape(arguments.positional().get(1)).text());
        }
        if (name.equals("join") && arguments.positional().size() == 1) {
            List<Object> items = new ArrayList<>();
            Values.iterate(arguments.positional().get(0))
                    .forEachRemaining(item -> items.add(Markup.escape(item).text()));
            arguments.positional().set(0, items);
        }
        if (name.equals("format")) {
            arguments.positional().replaceAll(value -> Markup.escape(value).text());
            arguments.named().replaceAll((key, value) -> Markup.escape(value).text());
        }
        return arguments;
    }

    private static Object safe(Object result) {
        if (result instanceof String text) {
            return new Markup(text);
        }
        if (result instanceof List<?> list) {
            List<Object> parts = new ArrayList<>();
            list.forEach(item -> parts.add(safe(item)));
            return list instanceof Tuple ? new Tuple(parts) : parts;
        }
        return result;
    }

    private static String none(String name, String self, Arguments arguments) {
        if (!arguments.isEmpty()) {
            throw new TemplateException("str." + name + "() takes no arguments ("
                    + arguments.positional().size() + " given)");
        }
        return self;
    }

    static String one(String name, Arguments arguments) {
        if (arguments.positional().size() != 1) {
            throw new TemplateException("str." + name + "() takes exactly one argument ("
                    + arguments.positional().size() + " given)");
        }
        return Types.text(arguments.positional().get(0), name + "() argument");
    }

    private static String strip(String name, String self, Arguments arguments, boolean left, boolean right) {
        List<Object> values = arguments.positional();
        if (values.size() > 1) {
            throw new TemplateException(name + " expected at most 1 argument, got " + values.size());
        }
        Object chars = values.isEmpty() ? null : values.get(0);
        if (chars != null && !(chars instanceof String) && !(chars instanceof Markup)) {
            throw new TemplateException(name + " arg must be None or str");
        }
        return Text.strip(self, chars == null ? null : Repr.str(chars), left, right);
    }

    private static Object all(String text, java.util.function.IntPredicate test) {
        return !text.isEmpty() && text.codePoints().allMatch(test);
    }

    private static Object join(String self, Arguments arguments) {
        if (arguments.positional().size() != 1) {
            throw new TemplateException("str.join() takes exactly one argument ("
                    + arguments.positional().size() + " given)");
        }
        Object items = arguments.positional().get(0);
        if (!Values.isIterable(items)) {
            throw new TemplateException("can only join an iterable");
        }
        StringBuilder out = new StringBuilder();
        int index = 0;
        for (Object item : Values.toList(items)) {
            if (!(item instanceof String) && !(item instanceof Markup)) {
                throw new TemplateException(
                        "sequence item " + index + ": expected str instance, " + Types.name(item) + " found");
            }
            out.append(index++ == 0 ? "" : self).append(Repr.str(item));
            Limits.text(out.length());
        }
        return out.toString();
    }

    private static Object replace(String self, Arguments arguments) {
        List<Object> values = arguments.positional();
        if (values.size() < 2 || values.size() > 3) {
            throw new TemplateException("replace expected at " + (values.size() < 2 ? "least 2" : "most 3")
                    + " arguments, got " + values.size());
        }
        String old = Types.text(values.get(0), "replace() argument 1");
        String by = Types.text(values.get(1), "replace() argument 2");
        return replace(self, old, by, values.size() == 3 ? Types.index(values.get(2)) : -1);
    }

    static String replace(String text, String old, String by, long count) {
        long most = count < 0 ? Long.MAX_VALUE : count;
        if (old.isEmpty()) {
            return intersperse(text, by, most);
        }
        StringBuilder out = new StringBuilder();
        int from = 0;
        int at = text.indexOf(old);
        for (long done = 0; at >= 0 && done < most; done++) {
            out.append(text, from, at).append(by);
            Limits.text(out.length());
            from = at + old.length();
            at = text.indexOf(old, from);
        }
        return out.append(text, from, text.length()).toString();
    }

    private static String intersperse(String text, String by, long most) {
        StringBuilder out = new StringBuilder();
        int from = 0;
        long done = 0;
        while (from < text.length() && done < most) {
            int next = text.offsetByCodePoints(from, 1);
            out.append(by).append(text, from, next);
            Limits.text(out.length());
            from = next;
            done++;
        }
        return out.append(text, from, text.length())
                .append(done < most ? by : "")
                .toString();
    }
}
