// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion8bit;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Lion with its moment in 8 bits, a block at a time. */
final class CpuLion8bit implements Lion8bit {

    private final Workers workers;

    CpuLion8bit(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void update(
            Tensor parameter, Tensor gradient, Moment m, Tensor blocks, Tensor normAndScale, Tensor factors) {
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(blocks, DType.I32, 2 * blocks.rows());
        Checks.vector(m.codes(), DType.U8, parameter.size());
        Checks.vector(m.absmax(), DType.F32, blocks.rows());
        CpuLion.Factors f = CpuLion.Factors.of(normAndScale, factors);
        DynamicCodec.forEach(workers, blocks, parameter.size(), block -> update(parameter, gradient, m, block, f));
    }

    private static void update(
            Tensor parameter, Tensor gradient, Moment m, DynamicCodec.Block block, CpuLion.Factors f) {
        float[][] buffers = Elements.buffers(AdamW8bit.BLOCK_SIZE);
        Rows.load(parameter, 0, block.first(), block.size(), buffers[0], 0);
        Rows.load(gradient, 0, block.first(), block.size(), buffers[1], 0);
        DynamicCodec.SIGNED.decode(m, block, buffers[2]);
        CpuLion.update(buffers, block.size(), f);
        Rows.store(buffers[0], 0, block.size(), parameter, 0, block.first());
        DynamicCodec.SIGNED.encode(buffers[2], m, block);
    }
}
