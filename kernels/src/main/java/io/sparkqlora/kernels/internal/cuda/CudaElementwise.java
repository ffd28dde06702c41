// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.Set;
import jcuda.driver.CUDA_MEMCPY2D;
import jcuda.driver.CUmemorytype;
import jcuda.driver.JCudaDriver;

/** Kernels in elementwise.cu; zeros, and copies of types that are not computed with, by the driver. */
final class CudaElementwise implements Elementwise {

    private static final Set<DType> COMPUTED = Set.of(DType.F32, DType.BF16, DType.F16);

    private final Handles.Stream stream;
    private final Launcher launcher;
    private final Variants cast;
    private final Variants add;
    private final Variants scale;
    private final Variants softCap;
    private final Variants addBias;
    private final CudaColumnSums columnSums;

    CudaElementwise(Handles.Stream stream, Launcher launcher, CudaKernel.Library library, CudaColumnSums columnSums) {
        this.stream = stream;
        this.launcher = launcher;
        this.cast = Variants.of(library, "elementwise", "cast");
        this.add = Variants.of(library, "elementwise", "add");
        this.scale = Variants.of(library, "elementwise", "scale");
        this.softCap = Variants.of(library, "elementwise", "soft_cap");
        this.columnSums = columnSums;
        this.addBias = Variants.of(library, "elementwise", "add_bias");
    }

    @Override
    public void cast(Tensor source, Tensor out) {
        Checks.shape(out, source.rows(), source.cols());
        if (!COMPUTED.contains(source.dtype()) && source.dtype() == out.dtype()) {
            copy(source, out);
            return;
        }
        Checks.floating(out);
        Checks.floating(source);
        Rectangle walk = Rectangle.of(source, out);
        launcher.of(cast.of(walk, out))
                .moves(source, out)
                .matrix(source)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols());
        walk.launch(launcher);
    }

    private void copy(Tensor source, Tensor out) {
        if (source.size() == 0) {
            return;
        }
        CUDA_MEMCPY2D copy = new CUDA_MEMCPY2D();
        copy.srcMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
        copy.srcDevice = Handles.at(source.address());
        copy.srcPitch = source.rowStride() * source.dtype().bytes();
        copy.dstMemoryType = CUmemorytype.CU_MEMORYTYPE_DEVICE;
        copy.dstDevice = Handles.at(out.address());
        copy.dstPitch = out.rowStride() * out.dtype().bytes();
        copy.WidthInBytes = source.cols() * source.dtype().bytes();
        copy.Height = source.rows();
        launcher.moves(source, out).driver("copying", () -> JCudaDriver.cuMemcpy2DAsync(copy, stream));
    }

    @Override
    public void add(Tensor a, Tensor b, Tensor out) {
        Checks.alike(out, a, b);
        Rectangle walk = Rectangle.of(out, a, b);
        launcher.of(add.of(walk, out))
                .moves(out, a, b)
                .matrix(a)
                .matrix(b)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols());
        walk.launch(launcher);
    }

    @Override
    public void addBias(Tensor out, Tensor bias) {
        Checks.floating(out);
        Checks.floating(bias);
        Checks.shape(bias, 1, out.cols());
        Rectangle walk = Rectangle.byRow(out, bias);
        launcher.of(addBias.of(walk, out))
                .moves(out, out)
                .matrix(out)
                .matrix(bias)
                .number(walk.rows())
                .number(walk.cols());
        walk.launch(launcher);
    }

    @Override
    public void addColumnSums(Tensor x, Tensor sums) {
        columnSums.add(x, null, null, sums);
    }

    @Override
    public void scale(Tensor source, float factor, Tensor out) {
        map(scale, source, factor, out);
    }

    @Override
    public void softCap(Tensor source, float cap, Tensor out) {
        map(softCap, source, cap, out);
    }

    private void map(Variants kernels, Tensor source, float parameter, Tensor out) {
        Checks.alike(out, source);
        Rectangle walk = Rectangle.of(out, source);
        launcher.of(kernels.of(walk, out))
                .moves(source, out)
                .matrix(source)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(parameter);
        walk.launch(launcher);
    }

    @Override
    public void zero(Tensor out) {
        if (out.size() == 0) {
            return;
        }
        long width = out.dtype().bytes();
        launcher.moves(out)
                .driver(
                        "filling with zeros",
                        () -> out.contiguous()
                                ? JCudaDriver.cuMemsetD8Async(Handles.at(out.address()), (byte) 0, out.bytes(), stream)
                                : JCudaDriver.cuMemsetD2D8Async(
                                        Handles.at(out.address()),
                                        out.rowStride() * width,
                                        (byte) 0,
                                        out.cols() * width,
                                        out.rows(),
                                        stream));
    }
}
