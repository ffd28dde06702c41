// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.function.Function;

/** A function, method or macro. */
class Callable {

    private final String name;
    private final Function<Arguments, Object> body;

    Callable(String name, Function<Arguments, Object> body) {
        this.name = name;
        this.body = body;
    }

    Object call(Arguments arguments) {
        return body.apply(arguments);
    }

    String name() {
        return name;
    }
}
