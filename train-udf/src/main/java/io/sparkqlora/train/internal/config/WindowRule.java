// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/** Which layers of a family see a window of their keys, and where its configuration says so. */
enum WindowRule {
    /** None, whatever the configuration says: transformers does not read it. */
    NONE {
        @Override
        List<Integer> of(JsonFields config, int layers) {
            return windows(0, layers, layer -> false);
        }
    },

    /** All, if there is a {@code sliding_window}. */
    EVERY_LAYER {
        @Override
        List<Integer> of(JsonFields config, int layers) {
            if (config.has(LAYER_TYPES)) {
                throw CheckpointErrors.unsupportedFeature(
                        config.source(),
                        LAYER_TYPES,
                        config.json().get(LAYER_TYPES).toString(),
                        "leave it out");
            }
            return windows(window(config), layers, layer -> true);
        }
    },

    /** With {@code use_sliding_window} those from {@code max_window_layers} on, unless {@code layer_types} names them. */
    UPPER_LAYERS {
        @Override
        List<Integer> of(JsonFields config, int layers) {
            int window = config.flag("use_sliding_window") ? window(config) : 0;
            int lowest = window == 0 ? layers : config.count("max_window_layers");
            return named(config, window, layers, layer -> layer >= lowest);
        }
    },

    /** Every second one from the first on, unless {@code layer_types} names them. */
    ALTERNATE_LAYERS {
        @Override
        List<Integer> of(JsonFields config, int layers) {
            return named(config, window(config), layers, layer -> layer % 2 == 0);
        }
    };

    private static final String LAYER_TYPES = "layer_types";
    private static final String SLIDING = "sliding_attention";
    private static final String FULL = "full_attention";

    /** Keys that a query of each layer sees; 0 for all. */
    abstract List<Integer> of(JsonFields config, int layers);

    private static int window(JsonFields config) {
        return config.positiveInt("sliding_window", 0);
    }

    private static List<Integer> windows(int window, int layers, IntPredicate sliding) {
        return IntStream.range(0, layers)
                .mapToObj(layer -> sliding.test(layer) ? window : 0)
                .toList();
    }

    private static List<Integer> named(JsonFields config, int window, int layers, IntPredicate otherwise) {
        if (!config.has(LAYER_TYPES)) {
            return windows(window, layers, otherwise);
        }
        List<String> types = config.texts(LAYER_TYPES);
        if (types.size() != layers) {
            throw config.wrong(LAYER_TYPES, "one for each of the " + layers + " layers");
        }
        List<Integer> windows = new ArrayList<>();
        for (String type : types) {
            windows.add(window(config, type, window));
        }
        return windows;
    }

    private static int window(JsonFields config, String type, int window) {
        if (!type.equals(SLIDING) && !type.equals(FULL)) {
            throw CheckpointErrors.unsupportedFeature(
                    config.source(), LAYER_TYPES, type, "supported are " + FULL + ", " + SLIDING);
        }
        if (type.equals(SLIDING) && window == 0) {
            throw config.wrong("sliding_window", "the window of the layers that " + LAYER_TYPES + " calls " + SLIDING);
        }
        return type.equals(SLIDING) ? window : 0;
    }
}
