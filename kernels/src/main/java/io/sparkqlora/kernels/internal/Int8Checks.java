// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
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

    /** bitsandbytes' factor in place of 1/127², 6.200012e-5, which its CUDA kernels have. */
    public static final float PRODUCT = 6.200124e-5f;

    private Int8Checks() {}

    /** What a row's elements are multiplied by: 127 / absmax as PyTorch divides a number by a tensor, by its reciprocal. */
    public static float scale(float absmax) {
        return absmax == 0 ? 0 : 1 / absmax * CODES;
    }

    /** Codes and scales of a matrix of this shape. */
    public static void parts(Tensor codes, Tensor absmax, Tensor matrix) {
        Checks.shape(codes, matrix.rows(), matrix.cols());
        if (codes.dtype() != DType.I8) {
            throw KernelErrors.unsupportedDType(codes.dtype(), "I8 codes");
        }
        Checks.contiguous(codes);
        Checks.vector(absmax, DType.F32, matrix.rows());
    }

    /** An input and what is made of it. */
    public static void input(Tensor x, Int8Input input) {
        Checks.floating(x);
        Checks.shape(input.codes(), x.rows(), x.cols());
        if (input.codes().dtype() != DType.I8) {
            throw KernelErrors.unsupportedDType(input.codes().dtype(), "I8 codes");
        }
        Checks.vector(input.absmax(), DType.F32, x.rows());
        Checks.vector(input.columns(), DType.I32, x.cols() + 1);
    }

    /** The operands of a product. */
    public static void product(Tensor x, Int8Input input, Int8Matrix weight, Tensor y) {
        input(x, input);
        Checks.shape(y, x.rows(), weight.rows());
        Checks.shape(weight.codes(), weight.rows(), x.cols());
        if (weight.codes().dtype() != DType.I8 || y.dtype() != x.dtype()) {
            throw KernelErrors.unsupportedDType(y.dtype(), "codes in I8 and results of the input's type, " + x.dtype());
        }
        Checks.contiguous(weight.codes());
        Checks.vector(weight.absmax(), DType.F32, weight.rows());
    }

    /** The error of an element that has no finite value in F16. */
    public static QLoraException unusable(long row, long col, float value) {
        return Float.isFinite(value)
                ? KernelErrors.beyondHalf(row, col, value)
                : KernelErrors.nonFiniteWeight(row, col, value);
    }
}
