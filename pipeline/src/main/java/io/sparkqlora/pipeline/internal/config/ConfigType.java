// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * How the value of a key is read.
 *
 * @param <T> Java type of the value
 * @param name type's name in the reference documentation
 * @param allowed what is allowed, in words that fit "allowed: …"
 * @param reader value of a node, or empty if the node is of another type
 * @param check whether a value of the right type is in range
 */
public record ConfigType<T>(String name, String allowed, Function<JsonNode, Optional<T>> reader, Predicate<T> check) {

    /** The node's value if it is of this type and in range. */
    public Optional<T> parse(JsonNode node) {
        return reader.apply(node).filter(check);
    }

    /** The same with a further condition, and what is then allowed. */
    public ConfigType<T> where(String words, Predicate<T> test) {
        return new ConfigType<>(name, words, reader, check.and(test));
    }
}
