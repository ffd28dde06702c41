// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.RopeParameters;
import io.sparkqlora.train.internal.json.JsonFields;

/**
 * Rotary settings in both spellings: {@code rope_parameters} of transformers 5, {@code rope_theta} and {@code rope_scaling}
 * before. Where both are given {@code rope_scaling} wins, as in transformers.
 */
final class RopeParser {

    private static final String PARTIAL = "partial_rotary_factor";

    private RopeParser() {}

    /** @param partial whether {@link #rotaryDim} is read */
    static RopeParameters parse(JsonFields config, boolean partial) {
        JsonFields rope = settings(config);
        if (!partial) {
            refusePartial(config);
            refusePartial(rope);
        }
        double theta = rope.positive("rope_theta");
        String type = rope.has("rope_type") ? rope.text("rope_type") : RopeParameters.DEFAULT;
        return switch (type) {
            case RopeParameters.DEFAULT -> RopeParameters.unscaled(theta);
            case RopeParameters.LINEAR -> new RopeParameters(
                    RopeParameters.LINEAR, theta, rope.positive("factor"), 0, 0, 0);
            case RopeParameters.LLAMA3 -> llama3(rope, theta, config);
            default -> throw CheckpointErrors.unsupportedFeature(
                    config.source(), rope.prefix() + "rope_type", type, "supported are default, linear, llama3");
        };
    }

    /** Elements of a head that turn, by {@code partial_rotary_factor}. */
    static int rotaryDim(JsonFields config, int headDim) {
        JsonFields rope = settings(config);
        JsonFields where = rope.has(PARTIAL) ? rope : config;
        int turning = where.has(PARTIAL) ? (int) (headDim * where.positive(PARTIAL)) : headDim;
        if (turning < 2 || turning > headDim || turning % 2 != 0) {
            throw where.wrong(PARTIAL, "a part of a head, " + headDim + " elements, that is an even number of them");
        }
        return turning;
    }

    private static RopeParameters llama3(JsonFields rope, double theta, JsonFields config) {
        int original =
                rope.positiveInt("original_max_position_embeddings", config.positiveInt("max_position_embeddings"));
        double low = rope.positive("low_freq_factor");
        double high = rope.positive("high_freq_factor");
        if (high <= low) {
            throw rope.wrong("high_freq_factor", "more than low_freq_factor, " + low);
        }
        return RopeParameters.llama3(theta, rope.positive("factor"), low, high, original);
    }

    /** One object with {@code rope_type} and {@code rope_theta}, whichever way they were written. */
    private static JsonFields settings(JsonFields config) {
        String key = config.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
        JsonFields given = config.object(key);
        ObjectNode merged = config.json().objectNode();
        if (given != null) {
            merged.setAll(given.json());
        }
        if (!merged.hasNonNull("rope_theta")) {
            merged.set("rope_theta", config.json().get("rope_theta"));
        }
        if (!merged.hasNonNull("rope_type") && merged.hasNonNull("type")) {
            merged.set("rope_type", merged.get("type"));
        }
        return new JsonFields(merged, config.source(), given == null ? "" : given.prefix());
    }

    private static void refusePartial(JsonFields fields) {
        if (fields.has(PARTIAL) && fields.positive(PARTIAL) != 1) {
            throw CheckpointErrors.unsupportedFeature(
                    fields.source(),
                    fields.prefix() + PARTIAL,
                    fields.json().get(PARTIAL).toString(),
                    "whole heads are rotated (1.0)");
        }
    }
}
