// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DeviceTraits;

/**
 * Of GPUs.
 *
 * @param hopper whether Hopper's kernels run on it
 */
public record CudaTraits(boolean hopper) implements DeviceTraits {

    @Override
    public boolean ownsMemory() {
        return true;
    }

    @Override
    public boolean dequantizesWhole() {
        return true;
    }

    /** Attention's backward pass is what keeps most, or the low-rank gradients where that keeps no sums. */
    @Override
    public long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long outputs, long rank) {
        boolean hoppers = hopper && TensorMaps.narrow(dtype);
        long kept = hoppers && HopperAttention.fits(attention.headDim())
                ? HopperAttention.scratchBytes(attention, tokens)
                : PlainAttention.scratchBytes(attention, tokens);
        if (hoppers) {
            kept = Math.max(kept, LoraGradient.scratchBytes(tokens, outputs, rank));
        }
        return CudaOperations.TABLE_BYTES + Workspace.size(kept);
    }
}
