// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.List;
import java.util.TreeSet;

/**
 * Refuses configurations that would run, but as another model than the one described. Keys that change nothing in training
 * an adapter ({@code pretraining_tp}, which only splits matrix products; {@code use_cache}; {@code attention_dropout} of 0)
 * pass.
 */
final class Unsupported {

    private Unsupported() {}

    static void refuse(JsonFields config, Family family) {
        for (String key : List.of("attention_bias", "mlp_bias")) {
            if (!family.defaults().containsKey(key)) {
                refuseFlag(config, key);
            }
        }
        refuseFlag(config, "use_bidirectional_attention");
        for (String key : List.of("attention_dropout", "resid_pdrop", "embd_pdrop")) {
            refuseDropout(config, key);
        }
        String act = config.text(family.activationKey());
        if (!family.activations().containsKey(act)) {
            throw CheckpointErrors.unsupportedFeature(
                    config.source(),
                    family.activationKey(),
                    act,
                    family.modelType() + " is supported with "
                            + String.join(
                                    ", ", new TreeSet<>(family.activations().keySet())));
        }
    }

    private static void refuseFlag(JsonFields config, String key) {
        if (config.flag(key)) {
            throw CheckpointErrors.unsupportedFeature(config.source(), key, "true", "only false is");
        }
    }

    private static void refuseDropout(JsonFields config, String key) {
        JsonNode dropout = config.json().path(key);
        if (dropout.isNumber() && dropout.asDouble() != 0) {
            throw CheckpointErrors.unsupportedFeature(config.source(), key, dropout.toString(), "only 0.0 is");
        }
    }
}
