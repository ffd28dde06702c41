// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.PreferenceLoss.Dpo;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How an adapter learns from pairs of sequences, of which one is preferred: direct preference optimisation, with the names,
 * defaults and meanings of TRL's {@code DPOConfig} for {@code loss_type: sigmoid}. The reference is the base without the adapter, as
 * TRL has it for PEFT's models. Rows hold pairs: sequence {@code 2i} is preferred to sequence {@code 2i + 1}.
 *
 * @param beta how strongly the adapter is held to the base
 * @param labelSmoothing how likely a preference is the wrong way round: Mitchell's conservative DPO
 */
public record PreferenceArguments(double beta, double labelSmoothing) {

    /** TRL's {@code beta}. */
    public static final double DEFAULT_BETA = 0.1;

    /** @throws io.sparkqlora.kernels.QLoraException CONFIG for numbers out of range */
    public PreferenceArguments {
        TrainingArguments.check("beta", beta, Double.isFinite(beta) && beta > 0, "above 0");
        TrainingArguments.check(
                "label_smoothing",
                labelSmoothing,
                labelSmoothing >= 0 && labelSmoothing < 0.5,
                "at least 0 and below 0.5");
    }

    /** In the kernels' terms. */
    public Dpo dpo() {
        return new Dpo(beta, labelSmoothing);
    }

    /** Whoever learns from pairs has none of these. */
    static void requireAlone(double labelSmoothingFactor, double neftuneNoiseAlpha, boolean shardBase) {
        Map<String, Object> others = new LinkedHashMap<>();
        others.put("label_smoothing_factor", labelSmoothingFactor == 0 ? null : labelSmoothingFactor);
        others.put("neftune_noise_alpha", neftuneNoiseAlpha == 0 ? null : neftuneNoiseAlpha);
        others.put("shard_base", shardBase ? true : null);
        others.forEach((option, value) -> {
            if (value != null) {
                throw PreferenceErrors.notWithPairs(option, value);
            }
        });
    }
}
