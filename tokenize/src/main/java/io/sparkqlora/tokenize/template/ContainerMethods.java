// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The methods of dicts, lists and tuples that don't change them. */
final class ContainerMethods {

    private static final Signature GET = new Signature("get", "key", "default?");

    private ContainerMethods() {}

    static Object ofDict(Map<?, ?> dict, String name) {
        return switch (name) {
            case "items" -> method(name, arguments -> items(dict));
            case "keys" -> method(name, arguments -> new View("dict_keys", new ArrayList<>(dict.keySet())));
            case "values" -> method(name, arguments -> new View("dict_values", new ArrayList<>(dict.values())));
            case "copy" -> method(name, arguments -> new LinkedHashMap<>(dict));
            case "get" -> new Callable(name, arguments -> get(dict, arguments));
            case "fromkeys" -> throw Attributes.unsupported(dict, name);
            default -> HasAttributes.ABSENT;
        };
    }

    private static Callable method(String name, java.util.function.Function<Arguments, Object> body) {
        return new Callable(name, arguments -> {
            if (!arguments.isEmpty()) {
                throw new TemplateException(name + "() takes no arguments");
            }
            return body.apply(arguments);
        });
    }

    static View items(Map<?, ?> dict) {
        List<Object> items = new ArrayList<>(dict.size());
        dict.forEach((key, value) -> items.add(Tuple.of(key, value)));
        return new View("dict_items", items);
    }

    private static Object get(Map<?, ?> dict, Arguments arguments) {
        if (!arguments.named().isEmpty()) {
            throw new TemplateException("dict.get() takes no keyword arguments");
        }
        int count = arguments.positional().size();
        if (count < 1 || count > 2) {
            throw new TemplateException(
                    "get expected at " + (count < 1 ? "least 1 argument" : "most 2 arguments") + ", got " + count);
        }
        Signature.Bound bound = GET.bind(arguments);
        Object value = Dicts.get(dict, Dicts.key(bound.get("key")));
        return value == HasAttributes.ABSENT ? bound.get("default", null) : value;
    }

    static Object ofList(List<?> list, String name) {
        return switch (name) {
            case "count" -> new Callable(name, arguments -> count(list, only(name, list, arguments)));
            case "index" -> new Callable(name, arguments -> index(list, only(name, list, arguments)));
            case "copy" -> "list".equals(Types.name(list))
                    ? method(name, arguments -> new ArrayList<>(list))
                    : HasAttributes.ABSENT;
            case "start", "stop", "step" -> range(list, name);
            default -> HasAttributes.ABSENT;
        };
    }

    private static Object range(List<?> list, String name) {
        if (list instanceof Range) {
            throw Attributes.unsupported(list, name);
        }
        return HasAttributes.ABSENT;
    }

    private static Object only(String name, List<?> list, Arguments arguments) {
        if (arguments.positional().size() != 1 || !arguments.named().isEmpty()) {
            throw new TemplateException(Types.name(list) + "." + name + "() takes exactly one argument ("
                    + arguments.positional().size() + " given)");
        }
        return arguments.positional().get(0);
    }

    private static Object count(List<?> list, Object item) {
        return list.stream().filter(other -> Comparisons.equal(other, item)).count();
    }

    private static Object index(List<?> list, Object item) {
        for (int i = 0; i < list.size(); i++) {
            if (Comparisons.equal(list.get(i), item)) {
                return (long) i;
            }
        }
        throw new TemplateException(
                "list".equals(Types.name(list))
                        ? Repr.repr(item) + " is not in list"
                        : "tuple.index(x): x not in tuple");
    }
}
