// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Rotary position embedding (Su et al., 2021) in the half-split layout of Hugging Face: of the first {@code d = rotaryDim}
 * elements of each head, element {@code i} and element {@code i + d/2} turn together by {@code position · frequency[i]}.
 */
public interface Rope {

    /**
     * Turns {@code x} in place.
     *
     * @param x [tokens, heads · headDim], F32, BF16 or F16, any row stride
     * @param positions I32 vector [tokens]
     * @param cos F32 [maxPositions, rotaryDim / 2], the scaling of the family already applied
     * @param sin F32 [maxPositions, rotaryDim / 2]
     * @param headDim elements of a head; the first {@code rotaryDim} of them turn, the rest stays
     * @param inverse turn back: the backward pass
     */
    void apply(Tensor x, Tensor positions, Tensor cos, Tensor sin, int headDim, boolean inverse);
}
