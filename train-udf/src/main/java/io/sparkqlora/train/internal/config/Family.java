// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import io.sparkqlora.train.DecoderTraits;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * What is a model family's own, as data.
 *
 * @param modelType {@code model_type} of its config.json
 * @param activationKey the key that names the activation
 * @param activations activations that can be run, and what transformers runs for each
 * @param windows which layers see a window of their keys
 * @param partialRotary whether {@code partial_rotary_factor} is read
 * @param traits sets what its decoder has beside Llama's
 * @param defaults values of its transformers configuration class, for keys that config.json leaves out
 */
record Family(
        String modelType,
        String activationKey,
        Map<String, String> activations,
        WindowRule windows,
        boolean partialRotary,
        BiConsumer<DecoderTraits.Builder, JsonFields> traits,
        Map<String, Object> defaults) {

    /** The traits of a model whose heads have that width. */
    DecoderTraits traits(JsonFields config, int headDim, int layers) {
        DecoderTraits.Builder builder = DecoderTraits.builder(headDim, layers)
                .slidingWindows(windows.of(config, layers))
                .rotaryDim(partialRotary ? RopeParser.rotaryDim(config, headDim) : headDim);
        traits.accept(builder, config);
        return builder.build();
    }
}
