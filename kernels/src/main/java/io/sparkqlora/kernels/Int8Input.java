// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * What {@link Int8Linear} makes of an input [rows, in] before it multiplies.
 *
 * @param codes I8 [rows, in], any row stride: what is multiplied in 8 bits, zeros in the columns of outliers
 * @param absmax F32 [1, rows], the scales of its rows
 * @param columns I32 [1, in + 1]: how many columns have outliers, then which, in ascending order; the rest is undefined
 */
public record Int8Input(Tensor codes, Tensor absmax, Tensor columns) {}
