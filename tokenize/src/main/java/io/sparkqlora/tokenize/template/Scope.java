// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.HashMap;
import java.util.Map;

/** Variables, in the scopes that blocks, loops and macros open. */
final class Scope {

    private final Scope parent;
    private final Render render;
    private Map<String, Object> variables;

    private Scope(Scope parent, Render render) {
        this.parent = parent;
        this.render = render;
    }

    static Scope root(Render render) {
        return new Scope(null, render);
    }

    Scope child() {
        return new Scope(this, render);
    }

    Render render() {
        return render;
    }

    void set(String name, Object value) {
        if (variables == null) {
            variables = new HashMap<>(8);
        }
        variables.put(name, value);
    }

    Object lookup(String name) {
        for (Scope scope = this; scope != null; scope = scope.parent) {
            if (scope.variables != null) {
                Object value = scope.variables.get(name);
                if (value != null || scope.variables.containsKey(name)) {
                    return value;
                }
            }
        }
        return render.global(name);
    }
}
