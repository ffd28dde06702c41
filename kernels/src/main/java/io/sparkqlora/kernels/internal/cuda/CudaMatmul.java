// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.internal.cuda.GeneralMatmul.Steps;
import io.sparkqlora.kernels.internal.cuda.HopperMatmul.Addend;

/** Chooses the kernel of a product: Hopper's where it fits, the general one for bf16 and f16, the plain one for f32. */
final class CudaMatmul implements Matmul {

    /** Set to run everything on the kernels of sm_80, also on newer chips; for measuring and testing those. */
    static final String GENERAL_ONLY = "io.sparkqlora.cuda.sm80";

    private static final int PLAIN_TILE = 64;
    private static final int PLAIN_THREADS = 256;

    private final Launcher launcher;
    private final HopperMatmul hopper;
    private final GeneralMatmul general;
    private final CudaKernel plain;
    private final CudaKernel plainToHalves;

    /** @param hopper null where the chip is no Hopper */
    CudaMatmul(
            CudaContext context,
            Launcher launcher,
            CudaKernel.Library library,
            Workspace workspace,
            HopperMatmul hopper) {
        this.launcher = launcher;
        this.hopper = hopper;
        this.general = new GeneralMatmul(context.multiprocessors(), launcher, library, workspace);
        this.plain = library.kernel("matmul_f32", "matmul_f32");
        this.plainToHalves = library.kernel(Variants.file("matmul_f32", DType.F16), "matmul_f32");
    }

    @Override
    public void multiply(
            Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c) {
        Product product = new Product(a, transposeA, b, transposeB, alpha, beta, c);
        if (a.dtype() == DType.F32) {
            plain(product);
        } else if (hopper != null && hopper.fits(product, Addend.NONE)) {
            hopper.run(product, Addend.NONE);
        } else {
            general.run(product);
        }
    }

    @Override
    public void multiply(
            TensorStack a,
            boolean transposeA,
            TensorStack b,
            boolean transposeB,
            float alpha,
            float beta,
            TensorStack c) {
        if (c.count() == 1 || a.first().dtype() == DType.F32) {
            Matmul.super.multiply(a, transposeA, b, transposeB, alpha, beta, c);
            return;
        }
        Product first = new Product(a.first(), transposeA, b.first(), transposeB, alpha, beta, c.first());
        general.run(first, new Steps(c.count(), a.distance(), b.distance(), c.distance()));
    }

    private void plain(Product p) {
        launcher.of(p.c().dtype() == DType.F16 ? plainToHalves : plain).work(p.flops(), p.bytes(), p.m(), p.n(), p.k());
        operand(p.a(), p.transposeA());
        operand(p.b(), !p.transposeB());
        launcher.address(p.c())
                .number(p.c().rowStride())
                .flag(p.c().dtype() != DType.F32)
                .number(p.m())
                .number(p.n())
                .number(p.k())
                .number(p.alpha())
                .number(p.beta());
        launcher.over(tiles(p.n()), tiles(p.m()), 1, PLAIN_THREADS);
    }

    /** Steps along the rows (columns) of the result, and along k. */
    private void operand(Tensor tensor, boolean byColumns) {
        launcher.address(tensor)
                .number(byColumns ? 1L : tensor.rowStride())
                .number(byColumns ? tensor.rowStride() : 1L);
    }

    private static long tiles(int size) {
        return ((long) size + PLAIN_TILE - 1) / PLAIN_TILE;
    }
}
