// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/** What a step keeps of the forward pass for the backward pass. All three give the same bits. */
public enum Recompute {
    /** Everything that backward reads: the most memory, the least work. */
    NONE,
    /** What matrix products and attention made; norms, activations and the like are computed again. */
    SELECTIVE,
    /** Each layer's input; the layer runs again. transformers' {@code gradient_checkpointing}. */
    FULL
}
