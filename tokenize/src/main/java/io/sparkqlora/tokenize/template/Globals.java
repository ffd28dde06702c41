// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.time.Clock;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The functions that every template has. */
final class Globals {

    private static final Map<String, Object> FIXED = new HashMap<>();
    private static final Signature RAISE = new Signature("raise_exception", "message");
    private static final Signature STRFTIME = new Signature("strftime_now", "format");
    private static final Signature JOINER = new Signature("Joiner.__init__", "sep?");

    static {
        put("range", Globals::range);
        put("dict", Globals::dict);
        put("namespace", arguments -> new Namespace(names(dict(arguments))));
        put("cycler", arguments -> new Cycler(arguments.positional()));
        put("joiner", arguments -> joiner(Repr.str(JOINER.bind(arguments).get("sep", ", "))));
        put("raise_exception", arguments -> {
            throw new TemplateException(Repr.str(RAISE.bind(arguments).get("message")));
        });
        put("lipsum", arguments -> {
            throw new TemplateException("the function 'lipsum' isn't supported in chat templates here");
        });
    }

    private Globals() {}

    static Map<String, Object> of(Clock clock) {
        Map<String, Object> globals = new HashMap<>(FIXED);
        globals.put("strftime_now", new Callable("strftime_now", arguments -> {
            Object format = STRFTIME.bind(arguments).get("format");
            return Strftime.format(Types.text(format, "strftime() argument 1"), clock);
        }));
        return globals;
    }

    private static void put(String name, java.util.function.Function<Arguments, Object> body) {
        FIXED.put(name, new Callable(name, body));
    }

    private static Object range(Arguments arguments) {
        List<Object> values = arguments.positional();
        if (!arguments.named().isEmpty()) {
            throw new TemplateException("range() takes no keyword arguments");
        }
        if (values.isEmpty() || values.size() > 3) {
            throw new TemplateException("range expected at "
                    + (values.isEmpty() ? "least 1 argument" : "most 3 arguments") + ", got " + values.size());
        }
        long first = Types.index(values.get(0));
        if (values.size() == 1) {
            return Range.of(0, first, 1);
        }
        return Range.of(first, Types.index(values.get(1)), values.size() == 3 ? Types.index(values.get(2)) : 1);
    }

    private static Map<Object, Object> dict(Arguments arguments) {
        Map<Object, Object> dict = new LinkedHashMap<>();
        if (arguments.positional().size() > 1) {
            throw new TemplateException("dict expected at most 1 argument, got "
                    + arguments.positional().size());
        }
        for (Object source : arguments.positional()) {
            if (source instanceof Map<?, ?> map) {
                dict.putAll(map);
            } else {
                Values.toList(source).forEach(pair -> putPair(dict, Values.toList(pair)));
            }
        }
        dict.putAll(arguments.named());
        return dict;
    }

    private static void putPair(Map<Object, Object> dict, List<Object> pair) {
        if (pair.size() != 2) {
            throw new TemplateException("dictionary update sequence element #" + dict.size() + " has length "
                    + pair.size() + "; 2 is required");
        }
        Dicts.put(dict, Dicts.key(pair.get(0)), pair.get(1));
    }

    private static Map<String, Object> names(Map<Object, Object> dict) {
        Map<String, Object> names = new LinkedHashMap<>();
        dict.forEach((key, value) -> names.put(Repr.str(key), value));
        return names;
    }

    private static Callable joiner(String separator) {
        boolean[] used = new boolean[1];
        return new Callable("joiner", arguments -> {
            String text = used[0] ? separator : "";
            used[0] = true;
            return text;
        });
    }

    /** {@code cycler(…)}: its next() runs through the values again and again. */
    private static final class Cycler implements HasAttributes {

        private final List<Object> values;
        private int at;

        Cycler(List<Object> values) {
            if (values.isEmpty()) {
                throw new TemplateException("at least one item has to be provided");
            }
            this.values = values;
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "current" -> values.get(at);
                case "next" -> new Callable(name, arguments -> next());
                case "reset" -> new Callable(name, arguments -> {
                    at = 0;
                    return null;
                });
                default -> ABSENT;
            };
        }

        private Object next() {
            Object value = values.get(at);
            at = (at + 1) % values.size();
            return value;
        }

        @Override
        public String typeName() {
            return "jinja2.utils.Cycler";
        }
    }
}
