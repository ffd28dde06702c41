// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;
import java.util.Map;
import java.util.Set;

/** {@code x.name} and {@code x[index]}, as jinja2's immutable sandbox answers them. */
final class Attributes {

    private static final Set<String> DICT_CHANGES = Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> NUMBER_ATTRIBUTES = Set.of(
            "as_integer_ratio",
            "bit_count",
            "bit_length",
            "conjugate",
            "denominator",
            "from_bytes",
            "imag",
            "numerator",
            "real",
            "to_bytes",
            "fromhex",
            "hex",
            "is_integer");
    private static final Set<String> INTERNAL = Set.of(
            "__class__",
            "__contains__",
            "__delattr__",
            "__dir__",
            "__doc__",
            "__eq__",
            "__format__",
            "__ge__",
            "__getattribute__",
            "__gt__",
            "__hash__",
            "__init__",
            "__init_subclass__",
            "__le__",
            "__lt__",
            "__ne__",
            "__new__",
            "__reduce__",
            "__reduce_ex__",
            "__repr__",
            "__setattr__",
            "__sizeof__",
            "__str__",
            "__subclasshook__");

    private Attributes() {}

    /** {@code object.name}: an attribute, else an item. */
    static Object attribute(Object object, String name) {
        if (object instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object value = own(object, name);
        if (value != HasAttributes.ABSENT) {
            return value;
        }
        if (object instanceof Map<?, ?> dict) {
            value = Dicts.get(dict, name);
        }
        return value == HasAttributes.ABSENT ? Undefined.attribute(object, name) : value;
    }

    /** {@code object[index]}: an item, else an attribute. */
    static Object item(Object object, Object index) {
        if (object instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object value = element(object, index);
        if (value == HasAttributes.ABSENT && (index instanceof String || index instanceof Markup)) {
            value = own(object, Repr.str(index));
        }
        return value == HasAttributes.ABSENT ? Undefined.item(object, index) : value;
    }

    private static Object element(Object object, Object index) {
        if (object instanceof Map<?, ?> dict) {
            boolean hashable = !(index instanceof Map) && !(index instanceof List && !(index instanceof Tuple));
            return hashable ? Dicts.get(dict, index) : HasAttributes.ABSENT;
        }
        if (!Types.isInteger(index)) {
            return HasAttributes.ABSENT;
        }
        boolean text = object instanceof String || object instanceof Markup;
        if (!text && !(object instanceof List)) {
            return HasAttributes.ABSENT;
        }
        long size = Values.length(object);
        long at = Types.asLong(index) < 0 ? Types.asLong(index) + size : Types.asLong(index);
        if (at < 0 || at >= size) {
            return HasAttributes.ABSENT;
        }
        if (object instanceof List<?> list) {
            return list.get((int) at);
        }
        String character = Text.at(Repr.str(object), (int) at);
        return object instanceof Markup ? new Markup(character) : character;
    }

    /** The filter {@code attr}: an attribute only, never an item. */
    static Object ownOrUndefined(Object object, String name) {
        if (object instanceof Undefined undefined) {
            throw undefined.error();
        }
        Object value = own(object, name);
        return value == HasAttributes.ABSENT ? Undefined.attribute(object, name) : value;
    }

    /** The attribute that an object of this type has in Python, or {@link HasAttributes#ABSENT}. */
    private static Object own(Object object, String name) {
        if (object instanceof HasAttributes attributes && !name.startsWith("_")) {
            return attributes.attribute(name);
        }
        if (name.startsWith("_")) {
            return INTERNAL.contains(name) ? Undefined.unsafe(object, name) : HasAttributes.ABSENT;
        }
        if (object instanceof String || object instanceof Markup) {
            return StringMethods.find(object, name);
        }
        if (object instanceof Map<?, ?> dict) {
            return DICT_CHANGES.contains(name) ? Undefined.unsafe(object, name) : ContainerMethods.ofDict(dict, name);
        }
        if (object instanceof List<?> list) {
            boolean change = LIST_CHANGES.contains(name) && "list".equals(Types.name(list));
            return change ? Undefined.unsafe(object, name) : ContainerMethods.ofList(list, name);
        }
        if (Types.isNumber(object) && NUMBER_ATTRIBUTES.contains(name)) {
            throw unsupported(object, name);
        }
        return HasAttributes.ABSENT;
    }

    static TemplateException unsupported(Object object, String name) {
        return new TemplateException(
                "the attribute '" + name + "' of '" + Types.name(object) + "' isn't supported in chat templates here");
    }
}
