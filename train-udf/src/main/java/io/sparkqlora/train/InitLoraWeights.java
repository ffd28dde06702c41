// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/** How a fresh adapter's {@code A} begins, by PEFT's names; {@code B} is zero, so that it changes nothing at first. */
public enum InitLoraWeights {
    /** PEFT's {@code true}: uniform in ±1/√in_features, Kaiming's with {@code a = √5}. */
    TRUE,
    /** Normal, of deviation 1/r. */
    GAUSSIAN
}
