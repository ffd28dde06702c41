// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a job is to do: validated values of {@link ConfigKeys}. Immutable.
 *
 * <p>A relative path in it starts at the working directory of the command (as with {@code spark-submit}), wherever the job
 * file lies; a Hadoop path without a scheme, at the default filesystem.
 */
public final class JobConfig {

    private final SortedMap<String, Object> values;

    JobConfig(SortedMap<String, Object> values) {
        this.values = new TreeMap<>(values);
    }

    /**
     * Reads a YAML job file.
     *
     * @param file the file
     * @param overrides {@code key=value} texts, each replacing what the file says
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for a file that can't be read, an unknown or unsupported key, a
     *     value that is not allowed, or a required key that is missing
     */
    public static JobConfig read(Path file, List<String> overrides) {
        return builder().addFile(file).addOptions(overrides).build();
    }

    /** A builder without any value. */
    public static JobConfigBuilder builder() {
        return new JobConfigBuilder();
    }

    /** A builder with what was set here. */
    public JobConfigBuilder toBuilder() {
        return new JobConfigBuilder(values);
    }

    /** The value of a key, its default if it was not set; null if there is neither. */
    @SuppressWarnings("unchecked")
    public <T> T get(ConfigKey<T> key) {
        return (T) values.getOrDefault(key.name(), key.defaultValue());
    }

    /** Whether the key has a value, set or by default. */
    public boolean has(ConfigKey<?> key) {
        return get(key) != null;
    }

    /** Whether the key was given a value, be it the default. */
    public boolean isSet(ConfigKey<?> key) {
        return values.containsKey(key.name());
    }

    /** Every key that has a value, by name, as plain values: what the table of runs records. */
    public SortedMap<String, Object> effective() {
        SortedMap<String, Object> all = new TreeMap<>();
        for (ConfigKey<?> key : ConfigKeys.all()) {
            if (has(key)) {
                all.put(key.name(), plain(get(key)));
            }
        }
        return all;
    }

    /**
     * What makes this run another run than one with other values: keys that matter to the result and differ from their
     * default (so that a key that a later version adds changes no run's name).
     */
    public SortedMap<String, Object> identity() {
        SortedMap<String, Object> parts = new TreeMap<>();
        for (ConfigKey<?> key : ConfigKeys.all()) {
            Object value = values.get(key.name());
            if (key.identity() && value != null && !value.equals(key.defaultValue())) {
                parts.put(key.name(), plain(value));
            }
        }
        return parts;
    }

    /** A value as plain texts, numbers, lists and mappings. */
    static Object plain(Object value) {
        if (value instanceof ModulePattern pattern) {
            return pattern.toConfigValue();
        }
        return value instanceof TargetModules targets ? targets.toConfigValue() : value;
    }

    /** The values that were set, as {@code key=value} lines. */
    @Override
    public String toString() {
        return Map.copyOf(values).toString();
    }
}
