// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.WeightNorm;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in weight_norm.cu. */
final class CudaWeightNorm implements WeightNorm {

    private static final String FILE = "weight_norm";
    private static final int THREADS = 256;

    private final Launcher launcher;
    private final Variants rowNorms;
    private final CudaKernel divide;
    private final Variants scaleColumns;
    private final Variants scaleRows;
    private final CudaColumnSums columnSums;

    CudaWeightNorm(Launcher launcher, CudaKernel.Library library, CudaColumnSums columnSums) {
        this.launcher = launcher;
        this.rowNorms = Variants.of(library, FILE, "row_norms");
        this.divide = library.kernel(FILE, "divide");
        this.scaleColumns = Variants.of(library, FILE, "scale_columns");
        this.scaleRows = Variants.of(library, FILE, "scale_rows");
        this.columnSums = columnSums;
    }

    @Override
    public void rowNorms(Tensor w, Tensor norms) {
        Checks.floating(w);
        Checks.vector(norms, DType.F32, w.rows());
        launcher.of(rowNorms.of(Rectangle.byRow(w)))
                .moves(w)
                .matrix(w)
                .number(w.cols())
                .address(norms)
                .over(w.rows(), 1, 1, THREADS);
    }

    @Override
    public void divide(Tensor magnitude, Tensor norms, Tensor quotient) {
        Checks.vector(magnitude, DType.F32, quotient.size());
        Checks.vector(norms, DType.F32, quotient.size());
        Checks.vector(quotient, DType.F32, quotient.size());
        launcher.of(divide)
                .moves(quotient, magnitude, norms)
                .address(magnitude)
                .address(norms)
                .address(quotient)
                .number(quotient.size())
                .overItems(quotient.size(), 1);
    }

    @Override
    public void scaleColumns(Tensor x, Tensor factors, float offset, boolean add, Tensor y) {
        Checks.alike(y, x);
        Checks.vector(factors, DType.F32, x.cols());
        Rectangle walk = Rectangle.byRow(x, y, factors);
        launcher.of(scaleColumns.of(walk))
                .moves(x, y, add ? y : null)
                .matrix(x)
                .matrix(factors)
                .number(offset)
                .flag(add)
                .matrix(y)
                .number(walk.rows())
                .number(walk.cols());
        walk.launch(launcher);
    }

    @Override
    public void scaleRows(Tensor w, Tensor factors) {
        Checks.floating(w);
        Checks.vector(factors, DType.F32, w.rows());
        Rectangle walk = Rectangle.byRow(w);
        launcher.of(scaleRows.of(walk))
                .moves(w, w)
                .matrix(w)
                .address(factors)
                .number(walk.rows())
                .number(walk.cols());
        walk.launch(launcher);
    }

    @Override
    public void gradient(Tensor dy, Tensor u, Tensor norms, Tensor gradient) {
        Checks.alike(dy, u);
        Checks.vector(norms, DType.F32, dy.cols());
        columnSums.add(dy, u, norms, gradient);
    }
}
