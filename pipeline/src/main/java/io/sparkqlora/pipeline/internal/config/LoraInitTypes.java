// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import io.sparkqlora.train.InitLoraWeights;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** PEFT's {@code init_lora_weights} and {@code loftq_config}. */
public final class LoraInitTypes {

    /** {@code loftq_bits} of {@link #LOFTQ}. */
    public static final String BITS = "loftq_bits";

    /** {@code loftq_iter} of {@link #LOFTQ}. */
    public static final String ITERATIONS = "loftq_iter";

    private static final String WORDS = "one of true, gaussian, pissa, pissa_niter_N (N from 1 to 999), loftq";

    /** The name, in lower case. */
    public static final ConfigType<String> INIT = name();

    /** Options of loftq. */
    public static final ConfigType<Map<String, Double>> LOFTQ = options();

    private static final int BITS_OF_QLORA = 4;
    private static final int MOST_ITERATIONS = 100;

    private LoraInitTypes() {}

    private static ConfigType<String> name() {
        ConfigType<String> any = ConfigTypes.text(WORDS);
        return new ConfigType<>(
                "string",
                WORDS,
                node -> any.parse(node).map(text -> text.toLowerCase(Locale.ROOT)),
                InitLoraWeights::isKnown);
    }

    private static ConfigType<Map<String, Double>> options() {
        String words = "{loftq_bits: 4, loftq_iter: N}, N from 1 to 100";
        return ConfigTypes.numbers(words).where(words, LoraInitTypes::isLoftq);
    }

    private static boolean isLoftq(Map<String, Double> options) {
        double iterations = options.getOrDefault(ITERATIONS, 1.0);
        return Set.of(BITS, ITERATIONS).containsAll(options.keySet())
                && options.getOrDefault(BITS, (double) BITS_OF_QLORA) == BITS_OF_QLORA
                && iterations == Math.rint(iterations)
                && iterations >= 1
                && iterations <= MOST_ITERATIONS;
    }
}
