// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The optimizer, by transformers' names: a rule, and how what it remembers is held. */
public enum Optim {
    /** AdamW, moments in 32 bits, as {@code torch.optim.AdamW} has them. */
    ADAMW_TORCH("adamw_torch", Rule.ADAMW, false, false),
    /** Moments in 8 bits, as bitsandbytes has them: those of tensors under 4,096 elements stay in 32 bits. */
    ADAMW_8BIT("adamw_8bit", Rule.ADAMW, true, false),
    /** The same numbers, the moments in the host's memory and on the device only while they are updated. */
    PAGED_ADAMW_8BIT("paged_adamw_8bit", Rule.ADAMW, true, true),
    /** The numbers of {@link #ADAMW_TORCH}, the moments in the host's memory. */
    PAGED_ADAMW_32BIT("paged_adamw_32bit", Rule.ADAMW, false, true),
    /** bitsandbytes' Lion in 32 bits. */
    LION_32BIT("lion_32bit", Rule.LION, false, false),
    /** Lion, its moment in 8 bits as {@link #ADAMW_8BIT} has them. */
    LION_8BIT("lion_8bit", Rule.LION, true, false),
    /** The numbers of {@link #LION_8BIT}, the moment in the host's memory. */
    PAGED_LION_8BIT("paged_lion_8bit", Rule.LION, true, true),
    /** The numbers of {@link #LION_32BIT}, the moment in the host's memory. */
    PAGED_LION_32BIT("paged_lion_32bit", Rule.LION, false, true),
    /** {@code torch.optim.SGD} without momentum. */
    SGD("sgd", Rule.SGD, false, false);

    /** How parameters are updated. */
    public enum Rule {
        /** With two moments. */
        ADAMW(2),
        /** With one. */
        LION(1),
        /** With none. */
        SGD(0);

        private final int moments;

        Rule(int moments) {
            this.moments = moments;
        }

        /** Numbers that are remembered of each parameter. */
        public int moments() {
            return moments;
        }
    }

    /** transformers has several names for one. */
    private static final Map<String, Optim> ALIASES =
            Map.of("adamw_bnb_8bit", ADAMW_8BIT, "adamw_torch_fused", ADAMW_TORCH, "lion", LION_32BIT);

    private final String spelling;
    private final Rule rule;
    private final boolean in8bit;
    private final boolean paged;

    Optim(String spelling, Rule rule, boolean in8bit, boolean paged) {
        this.spelling = spelling;
        this.rule = rule;
        this.in8bit = in8bit;
        this.paged = paged;
    }

    /**
     * The optimizer of a name.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for a name that is none of {@link #names()}
     */
    public static Optim named(String name) {
        return Arrays.stream(values())
                .filter(optim -> optim.spelling.equals(name) || ALIASES.get(name) == optim)
                .findFirst()
                .orElseThrow(() -> TrainErrors.badArgument("optim", name, "one of " + String.join(", ", names())));
    }

    /** What {@link #named} takes. */
    public static List<String> names() {
        return Stream.concat(
                        Arrays.stream(values()).map(optim -> optim.spelling),
                        ALIASES.keySet().stream().sorted())
                .toList();
    }

    /** How parameters are updated. */
    public Rule rule() {
        return rule;
    }

    /** Whether moments are codes of 8 bits. */
    public boolean in8bit() {
        return in8bit;
    }

    /** Whether moments live in the host's memory, on a device that has its own. */
    public boolean paged() {
        return paged;
    }

    /** transformers' name. */
    @Override
    public String toString() {
        return spelling;
    }
}
