// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;

/** The type that products are computed in and activations are held in. Sums are in F32 with each. */
public enum ComputeType {
    /** bfloat16, as transformers' {@code torch_dtype=bfloat16} with {@code bnb_4bit_compute_dtype=bfloat16}. */
    BF16(DType.BF16),
    /**
     * float16, the IEEE half, with dynamic loss scaling, as transformers' {@code fp16=True} has it. Eight times as precise as
     * bfloat16, and infinite beyond 65504.
     */
    F16(DType.F16),
    /** float32. */
    F32(DType.F32);

    private final DType dtype;

    ComputeType(DType dtype) {
        this.dtype = dtype;
    }

    /** The element type of activations. */
    public DType dtype() {
        return dtype;
    }
}
