// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.TextNode;
import io.sparkqlora.pipeline.internal.config.JobFile;
import io.sparkqlora.pipeline.internal.config.Nearest;
import io.sparkqlora.pipeline.internal.config.UnsupportedKeys;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Collects the values of a job; each is checked when it comes in. The last one set wins. */
public final class JobConfigBuilder {

    /** transformers' name for full recompute. */
    private static final String GRADIENT_CHECKPOINTING = "gradient_checkpointing";

    private static final Map<String, ConfigKey<?>> BY_NAME = byName();
    private static final ObjectMapper JSON = new ObjectMapper();

    private final SortedMap<String, Object> values = new TreeMap<>();

    JobConfigBuilder() {}

    JobConfigBuilder(SortedMap<String, Object> from) {
        values.putAll(from);
    }

    private static Map<String, ConfigKey<?>> byName() {
        Map<String, ConfigKey<?>> map = new HashMap<>();
        for (ConfigKey<?> key : ConfigKeys.all()) {
            map.put(key.name(), key);
            key.aliases().forEach(alias -> map.put(alias, key));
        }
        return Map.copyOf(map);
    }

    /** Adds the entries of a YAML job file. */
    public JobConfigBuilder addFile(Path file) {
        JobFile.read(file).forEach(this::add);
        return this;
    }

    /** Adds {@code key=value} texts, as {@code --set} takes them. */
    public JobConfigBuilder addOptions(List<String> options) {
        options.stream().map(JobFile::option).forEach(this::add);
        return this;
    }

    /**
     * Sets a key by name: a text, a number, a boolean or a list of texts.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for an unknown or unsupported key and for a value that is not
     *     allowed
     */
    public JobConfigBuilder set(String key, Object value) {
        add(new JobFile.Entry(key, JSON.valueToTree(JobConfig.plain(value)), "JobConfig"));
        return this;
    }

    /** Sets a key. */
    public <T> JobConfigBuilder set(ConfigKey<T> key, T value) {
        return set(key.name(), value);
    }

    /** Whether a key was given a value. */
    public boolean isSet(ConfigKey<?> key) {
        return values.containsKey(key.name());
    }

    private void add(JobFile.Entry entry) {
        if (entry.key().equals(GRADIENT_CHECKPOINTING)) {
            addGradientCheckpointing(entry);
            return;
        }
        ConfigKey<?> key = BY_NAME.get(entry.key());
        if (key == null) {
            throw unknown(entry);
        }
        put(key, entry.value(), entry.where());
    }

    /** A YAML key without a value takes the default back. */
    private void put(ConfigKey<?> key, JsonNode value, String where) {
        if (value.isNull()) {
            values.remove(key.name());
        } else {
            values.put(key.name(), key.parse(value, where));
        }
    }

    private void addGradientCheckpointing(JobFile.Entry entry) {
        String recompute =
                switch (entry.value().asText()) {
                    case "true" -> "full";
                    case "false" -> "none";
                    default -> throw PipelineErrors.badValue(
                            entry.where(), entry.key(), entry.value().toString(), "true or false");
                };
        put(TrainingKeys.RECOMPUTE, TextNode.valueOf(recompute), entry.where());
    }

    private static RuntimeException unknown(JobFile.Entry entry) {
        Optional<String> reason = UnsupportedKeys.reason(entry.key());
        if (reason.isPresent()) {
            return PipelineErrors.unsupportedKey(entry.where(), entry.key(), reason.get());
        }
        List<String> names = BY_NAME.keySet().stream().sorted().toList();
        return PipelineErrors.unknownKey(entry.where(), entry.key(), Nearest.to(entry.key(), names));
    }

    /**
     * The job.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if a required key is missing, or load_in_4bit and load_in_8bit are set both
     */
    public JobConfig build() {
        for (ConfigKey<?> key : ConfigKeys.all()) {
            if (key.required() && !values.containsKey(key.name())) {
                throw PipelineErrors.missingKey(key.name(), key.type().allowed());
            }
        }
        if (Boolean.TRUE.equals(values.get(QuantizationKeys.LOAD_IN_8BIT.name()))) {
            onlyIn8bit();
        }
        return new JobConfig(values);
    }

    /** A base in 8 bits is not in 4, which is the default otherwise. */
    private void onlyIn8bit() {
        if (Boolean.TRUE.equals(values.put(QuantizationKeys.LOAD_IN_4BIT.name(), false))) {
            throw PipelineErrors.fourAndEightBits();
        }
    }
}
