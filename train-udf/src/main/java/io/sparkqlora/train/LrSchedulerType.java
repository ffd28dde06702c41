// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.List;

/** How the learning rate moves, named as transformers names it. All but {@link #CONSTANT} rise linearly during warm-up. */
public enum LrSchedulerType {
    /** Falls linearly to 0 at the last step. */
    LINEAR,
    /** A cosine of {@code num_cycles} waves; by default one half, down to 0 at the last step. */
    COSINE("num_cycles"),
    /** Half a cosine down to 0, {@code num_cycles} times, 1 by default. */
    COSINE_WITH_RESTARTS("num_cycles"),
    /** Falls to {@code lr_end} (1e-7 by default) at the last step as the {@code power} (1 by default) of what is left. */
    POLYNOMIAL("lr_end", "power"),
    /** Stays; no warm-up. */
    CONSTANT,
    /** Stays after the warm-up. */
    CONSTANT_WITH_WARMUP,
    /** Falls as 1/√step; {@code timescale} is the steps of warm-up by default, or 10,000 without any. */
    INVERSE_SQRT("timescale");

    private final List<String> kwargs;

    LrSchedulerType(String... kwargs) {
        this.kwargs = List.of(kwargs);
    }

    /** What {@code lr_scheduler_kwargs} may say of it, by transformers' names. */
    public List<String> kwargs() {
        return kwargs;
    }
}
