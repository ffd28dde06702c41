// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.time.Clock;
import java.util.Map;

/** The state of one rendering. */
final class Render {

    /** Macro calls inside macro calls; far below what the Java stack holds. */
    private static final int DEPTH = 200;

    private final Map<String, Object> context;
    private final Map<String, Object> globals;
    private int line;
    private int iterations;
    private int depth;

    Render(Map<String, Object> context, Clock clock) {
        this.context = context;
        this.globals = Globals.of(clock);
    }

    Object global(String name) {
        Object value = context.get(name);
        if (value != null || context.containsKey(name)) {
            return value;
        }
        Object global = globals.get(name);
        return global != null ? global : Undefined.variable(name);
    }

    void line(int current) {
        line = current;
    }

    int line() {
        return line;
    }

    void iteration() {
        if (++iterations > Limits.ITERATIONS) {
            throw new TemplateException("the template loops more than " + Limits.ITERATIONS + " times");
        }
    }

    void enterMacro() {
        iteration();
        if (++depth > DEPTH) {
            throw new TemplateException("maximum recursion depth exceeded");
        }
    }

    void leaveMacro() {
        depth--;
    }
}
