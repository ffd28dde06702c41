// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The parameters of a function: names, those with a trailing {@code ?} optional. Binds as Python binds. */
final class Signature {

    private final String function;
    private final List<String> names = new ArrayList<>();
    private int required;

    Signature(String function, String... parameters) {
        this.function = function;
        for (String parameter : parameters) {
            boolean optional = parameter.endsWith("?");
            names.add(optional ? parameter.substring(0, parameter.length() - 1) : parameter);
            required += optional ? 0 : 1;
        }
    }

    /** The values, bound to the parameters. */
    Bound bind(Arguments arguments) {
        return bind(null, false, arguments);
    }

    /** The values of a filter or test, whose input is the first parameter. */
    Bound bind(Object input, Arguments arguments) {
        return bind(input, true, arguments);
    }

    private Bound bind(Object input, boolean hasInput, Arguments arguments) {
        Object[] values = new Object[names.size()];
        boolean[] given = new boolean[names.size()];
        int at = 0;
        if (hasInput) {
            values[0] = input;
            given[0] = true;
            at = 1;
        }
        int count = at + arguments.positional().size();
        if (count > names.size()) {
            throw tooMany(count);
        }
        for (Object value : arguments.positional()) {
            values[at] = value;
            given[at++] = true;
        }
        bindNamed(arguments.named(), values, given);
        requireAll(given);
        return new Bound(function, names, values, given);
    }

    private void bindNamed(Map<String, Object> named, Object[] values, boolean[] given) {
        named.forEach((name, value) -> {
            int at = names.indexOf(name);
            if (at < 0) {
                throw new TemplateException(function + "() got an unexpected keyword argument '" + name + "'");
            }
            if (given[at]) {
                throw new TemplateException(function + "() got multiple values for argument '" + name + "'");
            }
            values[at] = value;
            given[at] = true;
        });
    }

    private void requireAll(boolean[] given) {
        List<String> missing = new ArrayList<>();
        for (int i = 0; i < required; i++) {
            if (!given[i]) {
                missing.add("'" + names.get(i) + "'");
            }
        }
        if (!missing.isEmpty()) {
            throw new TemplateException(function + "() missing " + missing.size() + " required positional argument"
                    + (missing.size() == 1 ? "" : "s") + ": " + enumerate(missing));
        }
    }

    private static String enumerate(List<String> words) {
        int last = words.size() - 1;
        return switch (words.size()) {
            case 1 -> words.get(0);
            case 2 -> words.get(0) + " and " + words.get(1);
            default -> String.join(", ", words.subList(0, last)) + ", and " + words.get(last);
        };
    }

    private TemplateException tooMany(int count) {
        String takes = required == names.size() ? "" + required : "from " + required + " to " + names.size();
        boolean one = required == names.size() && required == 1;
        return new TemplateException(function + "() takes " + takes + " positional argument" + (one ? "" : "s")
                + " but " + count + (count == 1 ? " was" : " were") + " given");
    }

    /** Bound values by name. */
    record Bound(String function, List<String> names, Object[] values, boolean[] given) {

        boolean has(String name) {
            return given[names.indexOf(name)];
        }

        Object get(String name) {
            return values[names.indexOf(name)];
        }

        Object get(String name, Object otherwise) {
            return has(name) ? get(name) : otherwise;
        }

        boolean isTrue(String name) {
            return has(name) && Values.isTrue(get(name));
        }

        long integer(String name, long otherwise) {
            return has(name) ? Types.index(get(name)) : otherwise;
        }
    }
}
