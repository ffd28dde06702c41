// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.Map;

/** {@code namespace(…)}: what loops and blocks may assign to from inside. */
record Namespace(Map<String, Object> attributes) implements HasAttributes {

    @Override
    public Object attribute(String name) {
        return attributes.containsKey(name) ? attributes.get(name) : ABSENT;
    }

    @Override
    public String typeName() {
        return "jinja2.utils.Namespace";
    }
}
