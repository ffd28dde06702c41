// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Rows by index: the token embedding and its gradient, and the rows whose loss counts. */
public interface RowSelect {

    /** {@code out[i, :] = scale · table[indices[i], :]}; {@code indices} an I32 vector; types F32, BF16 or F16, may differ. */
    void gather(Tensor table, Tensor indices, float scale, Tensor out);

    /** {@code out[indices[i], :] = rows[i, :]}; the other rows of {@code out} stay. Indices are distinct. */
    void scatter(Tensor rows, Tensor indices, Tensor out);

    /**
     * {@code out[indices[i], :] += scale · rows[i, :]}, where indices may repeat: the gradient of a table. Rows of one index are
     * added up in F32 in the order of {@code order}, and the sum is added once, so the bits depend on these arguments alone.
     *
     * @param rows [n, cols], F32, BF16 or F16
     * @param indices I32 vector [n]
     * @param order I32 vector [n], the numbers 0 to n − 1 such that rows of one index are neighbours
     * @param out [rows of the table, cols], F32
     */
    void scatterAdd(Tensor rows, Tensor indices, Tensor order, float scale, Tensor out);
}
