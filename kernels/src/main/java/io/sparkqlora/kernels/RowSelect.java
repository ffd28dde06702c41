// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Rows by index: the token embedding, and the rows whose loss counts. */
public interface RowSelect {

    /** {@code out[i, :] = scale · table[indices[i], :]}; {@code indices} an I32 vector; types F32, BF16 or F16, may differ. */
    void gather(Tensor table, Tensor indices, float scale, Tensor out);

    /** {@code out[indices[i], :] = rows[i, :]}; the other rows of {@code out} stay. Indices are distinct. */
    void scatter(Tensor rows, Tensor indices, Tensor out);
}
