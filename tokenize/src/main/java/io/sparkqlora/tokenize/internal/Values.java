// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.List;
import java.util.Map;

/** Names of JSON's types for messages. */
final class Values {

    private Values() {}

    /** The type of a value with its article. */
    static String kind(Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof Map) {
            return "an object";
        }
        if (value instanceof List) {
            return "a list";
        }
        if (value instanceof String) {
            return "a string";
        }
        return value instanceof Boolean ? "a boolean" : "a number";
    }
}
