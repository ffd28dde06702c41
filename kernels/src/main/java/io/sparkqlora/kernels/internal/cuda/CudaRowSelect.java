// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RowSelect;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in row_select.cu. An index outside its table stops the kernel, which the next wait reports. */
final class CudaRowSelect implements RowSelect {

    private final Launcher launcher;
    private final Variants gather;
    private final Variants scatter;
    private final Variants scatterAdd;

    CudaRowSelect(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.gather = Variants.of(library, "row_select", "gather");
        this.scatter = Variants.of(library, "row_select", "scatter");
        this.scatterAdd = Variants.of(library, "row_select", "scatter_add");
    }

    @Override
    public void gather(Tensor table, Tensor indices, float scale, Tensor out) {
        Checks.floating(table);
        Checks.floating(out);
        Checks.vector(indices, DType.I32, out.rows());
        Checks.shape(out, out.rows(), table.cols());
        Rectangle walk = Rectangle.byRow(out, table);
        launcher.of(gather.of(walk, out))
                .moves(out, out)
                .matrix(table)
                .address(indices)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(table.rows())
                .number(scale);
        walk.launch(launcher);
    }

    @Override
    public void scatter(Tensor rows, Tensor indices, Tensor out) {
        Checks.floating(rows);
        Checks.floating(out);
        Checks.vector(indices, DType.I32, rows.rows());
        Checks.shape(out, out.rows(), rows.cols());
        Rectangle walk = Rectangle.byRow(rows, out);
        launcher.of(scatter.of(walk, out))
                .moves(rows, rows)
                .matrix(rows)
                .address(indices)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(out.rows());
        walk.launch(launcher);
    }

    @Override
    public void scatterAdd(Tensor rows, Tensor indices, Tensor order, float scale, Tensor out) {
        Checks.addedRows(rows, indices, order, out);
        Rectangle walk = Rectangle.byRow(rows, out);
        launcher.of(scatterAdd.of(walk, out))
                .moves(rows, rows)
                .matrix(rows)
                .address(indices)
                .address(order)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(out.rows())
                .number(scale);
        walk.launch(launcher);
    }
}
