// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;

/** What {@link io.sparkqlora.kernels.VectorwiseInt8} demands of its arguments and of a weight's elements. */
public final class Int8Checks {

    /** The largest code. */
    public static final float CODES = 127f;

    /** Magnitudes from here on have no half: halfway from the largest, 65504, to what would be the next. */
    public static final float HALF_OVERFLOW = 65520f;

    /** bitsandbytes' factor in place of a division by 127. */
    public static final float INVERSE = 7.874015718698502e-3f;

    private Int8Checks() {}

    /** Codes and scales of a matrix of this shape. */
    public static void parts(Tensor codes, Tensor absmax, Tensor matrix) {
        Checks.shape(codes, matrix.rows(), matrix.cols());
        if (codes.dtype() != DType.I8) {
            throw KernelErrors.unsupportedDType(codes.dtype(), "I8 codes");
        }
        Checks.contiguous(codes);
        Checks.vector(absmax, DType.F32, matrix.rows());
    }

    /** The error of an element that has no finite value in F16. */
    public static QLoraException unusable(long row, long col, float value) {
        return Float.isFinite(value)
                ? KernelErrors.beyondHalf(row, col, value)
                : KernelErrors.nonFiniteWeight(row, col, value);
    }
}
