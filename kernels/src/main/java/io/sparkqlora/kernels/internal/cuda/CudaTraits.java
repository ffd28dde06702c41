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

    /** Attention's backward pass is what keeps most. */
    @Override
    public long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long sequences) {
        boolean bySums = hopper && dtype == DType.BF16 && HopperAttention.fits(attention.headDim());
        long kept = bySums
                ? HopperAttention.scratchBytes(attention, tokens, sequences)
                : PlainAttention.scratchBytes(attention, tokens);
        return CudaOperations.TABLE_BYTES + Workspace.size(kept);
    }
}
