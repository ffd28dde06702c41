// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Arrays;
import java.util.List;

/** The optimizer, by transformers' names: AdamW with its moments held in one way or another. */
public enum Optim {
    /** Moments in 32 bits, as {@code torch.optim.AdamW} has them. */
    ADAMW_TORCH("adamw_torch", false, false),
    /** Moments in 8 bits, as bitsandbytes has them: those of tensors under 4,096 elements stay in 32 bits. */
    ADAMW_8BIT("adamw_8bit", true, false),
    /** The same numbers, the moments in the host's memory and on the device only while they are updated. */
    PAGED_ADAMW_8BIT("paged_adamw_8bit", true, true),
    /** The numbers of {@link #ADAMW_TORCH}, the moments in the host's memory. */
    PAGED_ADAMW_32BIT("paged_adamw_32bit", false, true);

    /** transformers has two names for one. */
    private static final String ALIAS_8BIT = "adamw_bnb_8bit";

    private final String spelling;
    private final boolean in8bit;
    private final boolean paged;

    Optim(String spelling, boolean in8bit, boolean paged) {
        this.spelling = spelling;
        this.in8bit = in8bit;
        this.paged = paged;
    }

    /**
     * The optimizer of a name.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for a name that is none of {@link #names()}
     */
    public static Optim named(String name) {
        if (name.equals(ALIAS_8BIT)) {
            return ADAMW_8BIT;
        }
        return Arrays.stream(values())
                .filter(optim -> optim.spelling.equals(name))
                .findFirst()
                .orElseThrow(() -> TrainErrors.badArgument("optim", name, "one of " + String.join(", ", names())));
    }

    /** What {@link #named} takes. */
    public static List<String> names() {
        return List.of(
                ADAMW_TORCH.spelling,
                ADAMW_8BIT.spelling,
                ALIAS_8BIT,
                PAGED_ADAMW_8BIT.spelling,
                PAGED_ADAMW_32BIT.spelling);
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
