// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

/** A kernel in two forms, 8 elements and 1 element a thread. */
record Variants(CudaKernel wide, CudaKernel narrow) {

    static Variants of(CudaKernel.Library library, String file, String name) {
        return new Variants(library.kernel(file, name + "_8"), library.kernel(file, name + "_1"));
    }

    CudaKernel of(Rectangle rectangle) {
        return rectangle.choose(wide, narrow);
    }
}
