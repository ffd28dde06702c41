// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.pipeline.internal.config.TargetModulesType;
import io.sparkqlora.train.TargetModules;
import java.util.List;

/** The keys of a job file that say what is trained. */
public final class AdapterKeys {

    private static final String LORA = "Adapter";

    public static final ConfigKey<Integer> R =
            of(LORA, "r", ConfigTypes.atLeast(1), 8, "Rank of the adapter.").alias("lora_r");

    public static final ConfigKey<Double> LORA_ALPHA = of(
            LORA,
            "lora_alpha",
            ConfigTypes.number(Range.above(0)),
            8.0,
            "The adapter's output is scaled by lora_alpha / r.");

    public static final ConfigKey<Double> LORA_DROPOUT = of(
            LORA,
            "lora_dropout",
            ConfigTypes.number(Range.halfOpen(0, 1)),
            0.0,
            "Probability of dropping an element of the adapter's input while training, in steps of 1/32768.");

    public static final ConfigKey<TargetModules> TARGET_MODULES = of(
                    LORA,
                    "target_modules",
                    TargetModulesType.TYPE,
                    TargetModules.allLinear(),
                    "Which linear layers get an adapter: all-linear, a list of names or ends of names (`[q_proj, v_proj]`), or "
                            + "one regular expression for the whole name. PEFT's default depends on the family.")
            .alias("lora_target_modules");

    public static final ConfigKey<Boolean> USE_RSLORA =
            of(LORA, "use_rslora", ConfigTypes.bool(), false, "Whether the scale is lora_alpha / √r instead.");

    public static final ConfigKey<String> BIAS =
            of(LORA, "bias", ConfigTypes.oneOf("none"), "none", "Which biases are trained. Only none in this version.");

    static final List<ConfigKey<?>> ALL = List.of(R, LORA_ALPHA, LORA_DROPOUT, TARGET_MODULES, USE_RSLORA, BIAS);

    private AdapterKeys() {}
}
