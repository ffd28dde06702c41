// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import java.util.Map;

/** A configuration as the JSON object that tables and executors get. */
public final class ConfigJson {

    private static final ObjectMapper JSON = new ObjectMapper();

    private ConfigJson() {}

    /** All keys in force, sorted by name. */
    public static String write(JobConfig config) {
        return text(config.effective());
    }

    /** What {@link #write} wrote. */
    public static JobConfig read(String json) {
        JobConfigBuilder builder = JobConfig.builder();
        values(json).forEach(builder::set);
        return builder.build();
    }

    /** The values by key. */
    public static Map<String, Object> values(String json) {
        try {
            return JSON.readValue(json, new TypeReference<>() {});
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("no JSON object: " + json, e);
        }
    }

    /** A map as one line of JSON. */
    public static String text(Map<String, ?> values) {
        try {
            return JSON.writeValueAsString(values);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("no JSON: " + values, e);
        }
    }
}
