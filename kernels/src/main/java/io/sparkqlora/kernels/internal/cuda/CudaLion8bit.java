// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Lion8bit;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** The 8-bit kernel in lion.cu. */
final class CudaLion8bit implements Lion8bit {

    private static final int WARP = 32;

    private final CudaAdamW8bit adamW;
    private final Launcher launcher;
    private final CudaKernel kernel;

    /** @param adamW whose tables of codes serve here too */
    CudaLion8bit(CudaAdamW8bit adamW, Launcher launcher, CudaKernel.Library library) {
        this.adamW = adamW;
        this.launcher = launcher;
        this.kernel = library.kernel("lion", "lion_8bit");
    }

    @Override
    public void update(
            Tensor parameter, Tensor gradient, Moment m, Tensor blocks, Tensor normAndScale, Tensor factors) {
        int count = Math.toIntExact(blocks.rows());
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(blocks, DType.I32, 2L * count);
        Checks.vector(m.codes(), DType.U8, parameter.size());
        Checks.vector(m.absmax(), DType.F32, count);
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, Lion.FACTORS);
        long tables = adamW.tables();
        launcher.of(kernel)
                .moves(parameter, parameter, gradient, m.codes(), m.codes())
                .address(parameter)
                .address(gradient)
                .structure()
                .address(m.codes())
                .address(m.absmax())
                .end()
                .address(blocks)
                .number(count)
                .flag(aligned(parameter, gradient, m))
                .address(normAndScale)
                .address(factors)
                .address(tables)
                .overItems((long) count * WARP, 1);
    }

    private static boolean aligned(Tensor parameter, Tensor gradient, Moment m) {
        return parameter.address() % 16 == 0
                && gradient.address() % 16 == 0
                && m.codes().address() % 8 == 0;
    }
}
