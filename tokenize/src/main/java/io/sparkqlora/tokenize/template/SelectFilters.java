// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** map, select, reject, selectattr, rejectattr: generators, as in jinja2. */
final class SelectFilters {

    static final Map<String, Filter> FILTERS = new HashMap<>();

    static {
        FILTERS.put("map", SelectFilters::map);
        FILTERS.put("select", (input, arguments) -> select(input, arguments, true, false));
        FILTERS.put("reject", (input, arguments) -> select(input, arguments, false, false));
        FILTERS.put("selectattr", (input, arguments) -> select(input, arguments, true, true));
        FILTERS.put("rejectattr", (input, arguments) -> select(input, arguments, false, true));
    }

    private SelectFilters() {}

    private static Object map(Object input, Arguments arguments) {
        return Lazy.generator(() -> {
            if (!Values.isTrue(input)) {
                return Collections.emptyIterator();
            }
            UnaryOperator<Object> function = function(arguments);
            Iterator<Object> items = Values.iterate(input);
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return items.hasNext();
                }

                @Override
                public Object next() {
                    return function.apply(items.next());
                }
            };
        });
    }

    private static UnaryOperator<Object> function(Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            if (!arguments.named().containsKey("attribute")) {
                throw new TemplateException("map requires a filter argument");
            }
            for (String name : arguments.named().keySet()) {
                if (!name.equals("attribute") && !name.equals("default")) {
                    throw new TemplateException("Unexpected keyword argument " + Repr.repr(name));
                }
            }
            return AttributePath.getter(
                    arguments.named().get("attribute"), arguments.named().get("default"));
        }
        Object name = arguments.positional().get(0);
        Filter filter = name instanceof String text ? Filters.find(text) : null;
        return item -> {
            if (filter == null) {
                throw unknown("filter", name);
            }
            return filter.apply(item, arguments.from(1));
        };
    }

    private static TemplateException unknown(String kind, Object name) {
        String message = "No " + kind + " named " + Repr.repr(name) + ".";
        return new TemplateException(
                name instanceof Undefined undefined
                        ? message + " (" + undefined.error().getMessage()
                                + "; did you forget to quote the callable name?)"
                        : message);
    }

    private static Object select(Object input, Arguments arguments, boolean wanted, boolean byAttribute) {
        return Lazy.generator(() -> {
            if (!Values.isTrue(input)) {
                return Collections.emptyIterator();
            }
            if (byAttribute && arguments.positional().isEmpty()) {
                throw new TemplateException("Missing parameter for attribute name");
            }
            UnaryOperator<Object> getter =
                    AttributePath.getter(byAttribute ? arguments.positional().get(0) : null, null);
            Predicate<Object> test = test(byAttribute ? arguments.from(1) : arguments);
            return filtered(Values.iterate(input), item -> test.test(getter.apply(item)) == wanted);
        });
    }

    private static Predicate<Object> test(Arguments arguments) {
        if (arguments.positional().isEmpty()) {
            return Values::isTrue;
        }
        Object name = arguments.positional().get(0);
        Test test = name instanceof String text ? Tests.find(text) : null;
        return item -> {
            if (test == null) {
                throw unknown("test", name);
            }
            return test.test(item, arguments.from(1));
        };
    }

    private static Iterator<Object> filtered(Iterator<Object> items, Predicate<Object> wanted) {
        return new Iterator<>() {
            private Object next;
            private boolean ready;

            @Override
            public boolean hasNext() {
                while (!ready && items.hasNext()) {
                    next = items.next();
                    ready = wanted.test(next);
                }
                return ready;
            }

            @Override
            public Object next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                ready = false;
                return next;
            }
        };
    }
}
