// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.LocalDate;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The types of configuration values. A string that spells a number or a boolean is one, as {@code 5e-5} must be: YAML
 * 1.1, which job files are written in, takes it for text because it has no point.
 */
public final class ConfigTypes {

    private ConfigTypes() {}

    /** Any text, not blank. */
    public static ConfigType<String> text(String allowed) {
        return new ConfigType<>("string", allowed, ConfigTypes::string, value -> !value.isBlank());
    }

    /** A day in ISO's spelling, kept as text. */
    public static ConfigType<String> day() {
        return text("a day, as 2024-07-26").where("a day, as 2024-07-26", ConfigTypes::isDay);
    }

    private static boolean isDay(String text) {
        try {
            return LocalDate.parse(text) != null;
        } catch (DateTimeParseException e) {
            return false;
        }
    }

    /** An amount of memory, kept as text; {@link MemoryAmount} has its bytes. */
    public static ConfigType<String> memory() {
        String words = "bytes, or an amount such as 24GiB or 800MB, the same for each device";
        return text(words).where(words, text -> MemoryAmount.bytes(text).isPresent());
    }

    /** {@code true} or {@code false}. */
    public static ConfigType<Boolean> bool() {
        return new ConfigType<>("boolean", "true or false", ConfigTypes::bool, value -> true);
    }

    /** A boolean that can only have one value here; {@code why} says what the other would need. */
    public static ConfigType<Boolean> only(boolean value, String why) {
        return bool().where("only " + value + " here: " + why, given -> given == value);
    }

    /** A whole number of at least {@code min}. */
    public static ConfigType<Integer> atLeast(int min) {
        return new ConfigType<>("integer", "a whole number of at least " + min, ConfigTypes::integer, v -> v >= min);
    }

    /** A whole number above zero, or −1 where {@code minusOne} says what that stands for. */
    public static ConfigType<Integer> positiveOr(String minusOne) {
        return new ConfigType<>(
                "integer",
                "a whole number of at least 1, or -1 for " + minusOne,
                ConfigTypes::integer,
                v -> v >= 1 || v == -1);
    }

    /** A 64-bit whole number of at least {@code min}. */
    public static ConfigType<Long> longAtLeast(long min) {
        return new ConfigType<>("integer", "a whole number of at least " + min, ConfigTypes::wide, v -> v >= min);
    }

    /** Any 64-bit whole number. */
    public static ConfigType<Long> anyLong() {
        return new ConfigType<>("integer", "a whole number", ConfigTypes::wide, v -> true);
    }

    /** A finite number in a range. */
    public static ConfigType<Double> number(Range range) {
        return new ConfigType<>("number", "a number " + range.words(), ConfigTypes::number, range::contains);
    }

    /** One of some lower-case names. */
    public static ConfigType<String> oneOf(String... names) {
        List<String> allowed = Arrays.asList(names);
        return new ConfigType<>(
                "string",
                "one of " + String.join(", ", allowed),
                node -> string(node).map(s -> s.toLowerCase(Locale.ROOT)).map(s -> no(s, allowed)),
                allowed::contains);
    }

    /** YAML 1.1 takes a plain {@code no} for false. */
    private static String no(String value, List<String> allowed) {
        return value.equals("false") && allowed.contains("no") ? "no" : value;
    }

    /** A text or a list of texts, kept as a list. */
    public static ConfigType<List<String>> texts(String allowed) {
        return new ConfigType<>("string or list of strings", allowed, ConfigTypes::strings, list -> !list.isEmpty());
    }

    /** Whole numbers from 0 on: one, a list, or the text of one as YAML has it. */
    public static ConfigType<List<Integer>> integers(String allowed) {
        return new ConfigType<>(
                "integer or list of integers",
                allowed,
                ConfigTypes::integers,
                list -> !list.isEmpty() && list.stream().allMatch(v -> v >= 0));
    }

    private static Optional<List<Integer>> integers(JsonNode node) {
        JsonNode items =
                node.isTextual() ? JobFile.option("list=" + node.asText()).value() : node;
        List<Integer> values = new ArrayList<>();
        for (JsonNode item : items.isArray() ? items : List.of(items)) {
            integer(item).ifPresent(values::add);
        }
        return values.size() == (items.isArray() ? items.size() : 1)
                ? Optional.of(List.copyOf(values))
                : Optional.empty();
    }

    /** Names with a number each: a mapping, or the text of one as YAML has it. */
    public static ConfigType<Map<String, Double>> numbers(String allowed) {
        return new ConfigType<>("mapping", allowed, ConfigTypes::numbers, map -> true);
    }

    private static Optional<Map<String, Double>> numbers(JsonNode node) {
        JsonNode mapping =
                node.isTextual() ? JobFile.option("mapping=" + node.asText()).value() : node;
        if (!mapping.isObject()) {
            return Optional.empty();
        }
        Map<String, Double> values = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : mapping.properties()) {
            Optional<Double> value = number(entry.getValue());
            if (value.isEmpty()) {
                return Optional.empty();
            }
            values.put(entry.getKey(), value.get());
        }
        return Optional.of(Collections.unmodifiableMap(values));
    }

    private static Optional<String> string(JsonNode node) {
        return node.isValueNode() && !node.isNull() ? Optional.of(node.asText().strip()) : Optional.empty();
    }

    private static Optional<Boolean> bool(JsonNode node) {
        return switch (string(node).orElse("").toLowerCase(Locale.ROOT)) {
            case "true" -> Optional.of(true);
            case "false" -> Optional.of(false);
            default -> Optional.empty();
        };
    }

    private static Optional<Double> number(JsonNode node) {
        try {
            return string(node).map(Double::valueOf).filter(Double::isFinite);
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static Optional<Long> wide(JsonNode node) {
        try {
            return string(node).map(Long::valueOf);
        } catch (NumberFormatException e) {
            return Optional.empty();
        }
    }

    private static Optional<Integer> integer(JsonNode node) {
        return wide(node).filter(v -> v == v.intValue()).map(Long::intValue);
    }

    private static Optional<List<String>> strings(JsonNode node) {
        if (!node.isArray()) {
            return string(node).filter(s -> !s.isEmpty()).map(List::of);
        }
        List<String> values = new ArrayList<>();
        for (JsonNode item : node) {
            string(item).filter(s -> !s.isEmpty()).ifPresent(values::add);
        }
        return values.size() == node.size() ? Optional.of(List.copyOf(values)) : Optional.empty();
    }
}
