// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.RopeParameters;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.Set;

/**
 * Rotary settings in both spellings: {@code rope_parameters} of transformers 5, {@code rope_theta} and {@code rope_scaling}
 * before. Where both are given {@code rope_scaling} wins, as in transformers.
 */
final class RopeParser {

    private static final String PARTIAL = "partial_rotary_factor";
    private static final String ATTENTION = "attention_factor";
    private static final double MSCALE = 0.1;

    /** Key of the context length of pretraining; beside the rotary settings it counts more than in them, as in transformers. */
    static final String ORIGINAL = "original_max_position_embeddings";

    private static final double BETA_FAST = 32;
    private static final double BETA_SLOW = 1;

    private RopeParser() {}

    /**
     * @param partial whether a part of a head may turn
     * @param headDim elements of a head
     */
    static RopeParameters parse(JsonFields config, boolean partial, int headDim) {
        JsonFields rope = settings(config);
        if (!partial) {
            refusePartial(config);
            refusePartial(rope);
        }
        double theta = rope.positive("rope_theta");
        String type = type(config, rope);
        return switch (type) {
            case RopeParameters.DEFAULT -> RopeParameters.unscaled(theta);
            case RopeParameters.LINEAR -> new RopeParameters(
                    RopeParameters.LINEAR, theta, rope.positive("factor"), 0, 0, 0);
            case RopeParameters.LLAMA3 -> llama3(rope, theta, config);
            case RopeParameters.YARN -> yarn(rope, theta, config);
            case RopeParameters.LONGROPE -> longRope(rope, theta, config, rotaryDim(config, headDim) / 2);
            default -> throw CheckpointErrors.unsupportedFeature(
                    config.source(),
                    rope.prefix() + "rope_type",
                    type,
                    "supported are default, linear, llama3, yarn, longrope");
        };
    }

    /** Phi 3's first configurations say su, or yarn, and transformers runs longrope. */
    private static String type(JsonFields config, JsonFields rope) {
        String type = rope.has("rope_type") ? rope.text("rope_type") : RopeParameters.DEFAULT;
        boolean old = config.text("model_type").equals("phi3")
                && Set.of("su", RopeParameters.YARN).contains(type);
        return old ? RopeParameters.LONGROPE : type;
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
        int original = original(rope, config);
        double low = rope.positive("low_freq_factor");
        double high = rope.positive("high_freq_factor");
        if (high <= low) {
            throw rope.wrong("high_freq_factor", "more than low_freq_factor, " + low);
        }
        return RopeParameters.llama3(theta, rope.positive("factor"), low, high, original);
    }

    private static RopeParameters yarn(JsonFields rope, double theta, JsonFields config) {
        double factor = rope.positive("factor");
        double attention;
        if (rope.has(ATTENTION)) {
            attention = rope.positive(ATTENTION);
        } else if (number(rope, "mscale", 0) > 0 && number(rope, "mscale_all_dim", 0) > 0) {
            attention = mscale(factor, number(rope, "mscale", 0)) / mscale(factor, number(rope, "mscale_all_dim", 0));
        } else {
            attention = mscale(factor, 1);
        }
        RopeParameters.Yarn yarn = new RopeParameters.Yarn(
                number(rope, "beta_fast", BETA_FAST),
                number(rope, "beta_slow", BETA_SLOW),
                !rope.has("truncate") || rope.flag("truncate"));
        return RopeParameters.yarn(theta, factor, original(rope, config), attention, yarn);
    }

    /** A number, or {@code otherwise} where there is none, or it is 0, as in transformers. */
    private static double number(JsonFields rope, String key, double otherwise) {
        double value = rope.has(key) ? rope.notNegative(key) : 0;
        return value == 0 ? otherwise : value;
    }

    private static double mscale(double factor, double mscale) {
        return factor <= 1 ? 1 : MSCALE * mscale * Math.log(factor) + 1;
    }

    /** @param frequencies how many there are */
    private static RopeParameters longRope(JsonFields rope, double theta, JsonFields config, int frequencies) {
        int original = original(rope, config);
        double factor = rope.has("factor")
                ? rope.positive("factor")
                : (double) config.positiveInt("max_position_embeddings") / original;
        double attention = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        return RopeParameters.longRope(
                theta,
                original,
                rope.has(ATTENTION) ? rope.positive(ATTENTION) : attention,
                new RopeParameters.LongRope(
                        rope.positives("short_factor", frequencies), rope.positives("long_factor", frequencies)));
    }

    private static int original(JsonFields rope, JsonFields config) {
        return config.positiveInt(ORIGINAL, rope.positiveInt(ORIGINAL, config.positiveInt("max_position_embeddings")));
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
