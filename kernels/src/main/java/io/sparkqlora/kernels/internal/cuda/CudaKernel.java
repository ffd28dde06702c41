// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.JCudaDriver;

/** A kernel of one of the compiled files, loaded when it is first launched. */
final class CudaKernel {

    private static final int SHARED_WITHOUT_ASKING = 48 << 10;

    private final Library library;
    private final String file;
    private final String name;
    private final int sharedBytes;
    private long address;

    private CudaKernel(Library library, String file, String name, int sharedBytes) {
        this.library = library;
        this.file = file;
        this.name = name;
        this.sharedBytes = sharedBytes;
    }

    String name() {
        return name;
    }

    int sharedBytes() {
        return sharedBytes;
    }

    /** Its handle; loads the file it is in. */
    long address() {
        if (address == 0) {
            Handles.Function function = new Handles.Function();
            Driver.check(
                    JCudaDriver.cuModuleGetFunction(function, library.module(file), name), "loading kernel " + name);
            if (sharedBytes > SHARED_WITHOUT_ASKING) {
                int attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                Driver.check(JCudaDriver.cuFuncSetAttribute(function, attribute, sharedBytes), "cuFuncSetAttribute");
            }
            address = function.address();
        }
        return address;
    }

    /** The compiled files in one context. They go with the context. */
    static final class Library {

        private static final String SUFFIX = ".fatbin";

        private final Map<String, CUmodule> modules = new HashMap<>();

        /** Whether this build has kernels at all. */
        static boolean built() {
            return Library.class.getResource("elementwise" + SUFFIX) != null;
        }

        /** The kernel {@code name} of {@code file}.cu, launched with {@code sharedBytes} of dynamic shared memory. */
        CudaKernel kernel(String file, String name, int sharedBytes) {
            return new CudaKernel(this, file, name, sharedBytes);
        }

        CudaKernel kernel(String file, String name) {
            return kernel(file, name, 0);
        }

        private CUmodule module(String file) {
            CUmodule module = modules.get(file);
            if (module == null) {
                module = new CUmodule();
                Driver.check(
                        JCudaDriver.cuModuleLoadData(module, read(file)), "loading the kernels of " + file + ".cu");
                modules.put(file, module);
            }
            return module;
        }

        private static byte[] read(String file) {
            try (InputStream in = Library.class.getResourceAsStream(file + SUFFIX)) {
                if (in == null) {
                    throw KernelErrors.kernelsMissing(file);
                }
                return in.readAllBytes();
            } catch (IOException e) {
                throw KernelErrors.kernelsUnreadable(file, e);
            }
        }
    }
}
