// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;

/** A kernel in four forms: 8 elements and 1 element a thread, of F32 and BF16 or of F32 and F16. */
record Variants(Form bf16, Form f16) {

    /** What is added to the name of a file that was compiled for F16. */
    static final String F16_SUFFIX = "_f16";

    /** Of one type of 16 bits. */
    record Form(CudaKernel wide, CudaKernel narrow) {}

    static Variants of(CudaKernel.Library library, String file, String name) {
        return of(library, file, name + "_8", name + "_1");
    }

    static Variants of(CudaKernel.Library library, String file, String wide, String narrow) {
        return new Variants(form(library, file, wide, narrow), form(library, file + F16_SUFFIX, wide, narrow));
    }

    private static Form form(CudaKernel.Library library, String file, String wide, String narrow) {
        return new Form(library.kernel(file, wide), library.kernel(file, narrow));
    }

    /** The file of a pair that writes this type. */
    static String file(String name, DType written) {
        return written == DType.F16 ? name + F16_SUFFIX : name;
    }

    /**
     * The one for a walk.
     *
     * @param written what the kernel writes: it reads single elements of any type, but writes F32 and one other
     */
    CudaKernel of(Rectangle walk, Tensor... written) {
        Form form = form(walk, written);
        return walk.choose(form.wide(), form.narrow());
    }

    private Form form(Rectangle walk, Tensor... written) {
        boolean halves = wrote(DType.F16, written);
        if (halves && wrote(DType.BF16, written)) {
            throw new IllegalArgumentException("no operation writes BF16 and F16");
        }
        return halves || (walk.halves() && !wrote(DType.BF16, written)) ? f16 : bf16;
    }

    private static boolean wrote(DType type, Tensor... written) {
        return Arrays.stream(written).anyMatch(tensor -> tensor.dtype() == type);
    }
}
