// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.pipeline.internal.config.ConfigType;
import java.util.List;
import java.util.Objects;

/**
 * One key of a job file: its name, type, default, what it is for. All of them stand in {@link ConfigKeys}; the
 * reference documentation and the command line's help derive from there.
 *
 * @param <T> Java type of the value
 * @param name the ecosystem's own name
 * @param section heading under which the reference lists it
 * @param type how a value is read and which values are allowed
 * @param defaultValue value when the job file does not set it; null: none
 * @param required whether a job without it is refused
 * @param identity whether another value makes it another run (false for where results go and what is printed)
 * @param aliases other names for the same thing
 * @param doc one or two sentences for the reference
 */
public record ConfigKey<T>(
        String name,
        String section,
        ConfigType<T> type,
        T defaultValue,
        boolean required,
        boolean identity,
        List<String> aliases,
        String doc) {

    /** Copies the list of aliases. */
    public ConfigKey {
        Objects.requireNonNull(name);
        Objects.requireNonNull(type);
        aliases = List.copyOf(aliases);
    }

    static <T> ConfigKey<T> of(String section, String name, ConfigType<T> type, T defaultValue, String doc) {
        return new ConfigKey<>(name, section, type, defaultValue, false, true, List.of(), doc);
    }

    ConfigKey<T> mandatory() {
        return new ConfigKey<>(name, section, type, defaultValue, true, identity, aliases, doc);
    }

    /** A key that changes nothing about what is trained. */
    ConfigKey<T> operational() {
        return new ConfigKey<>(name, section, type, defaultValue, required, false, aliases, doc);
    }

    ConfigKey<T> alias(String... others) {
        return new ConfigKey<>(name, section, type, defaultValue, required, identity, List.of(others), doc);
    }

    /** Reads a value, or throws CONFIG with the key, the value and what is allowed. */
    T parse(JsonNode value, String where) {
        return type.parse(value)
                .orElseThrow(() -> PipelineErrors.badValue(where, name, value.toString(), type.allowed()));
    }
}
