// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** A variable, attribute or item that isn't there: prints as nothing, is false, and fails when it is used. */
final class Undefined {

    private final String message;

    private Undefined(String message) {
        this.message = message;
    }

    static Undefined hint(String hint) {
        return new Undefined(hint);
    }

    static Undefined variable(String name) {
        return new Undefined(Repr.repr(name) + " is undefined");
    }

    static Undefined attribute(Object object, String name) {
        return new Undefined("'" + Types.qualified(object) + "' has no attribute " + Repr.repr(name));
    }

    static Undefined item(Object object, Object index) {
        if (index instanceof String name) {
            return attribute(object, name);
        }
        if (index instanceof Markup) {
            return new Undefined("'" + Types.qualified(object) + "' has no attribute " + Repr.repr(index));
        }
        return new Undefined(Types.qualified(object) + " has no element " + Repr.repr(index));
    }

    /** An attribute that the sandbox doesn't give out. */
    static Undefined unsafe(Object object, String name) {
        return new Undefined(
                "access to attribute " + Repr.repr(name) + " of '" + Types.name(object) + "' object is unsafe.");
    }

    TemplateException error() {
        return new TemplateException(message);
    }
}
