// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/** How the learning rate moves, named as transformers names it. All but {@link #CONSTANT} rise linearly during warm-up. */
public enum LrSchedulerType {
    /** Falls linearly to 0 at the last step. */
    LINEAR,
    /** Half a cosine down to 0 at the last step. */
    COSINE,
    /** Stays; no warm-up. */
    CONSTANT,
    /** Stays after the warm-up. */
    CONSTANT_WITH_WARMUP
}
