// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUfunction;
import jcuda.driver.CUstream;

/** JCuda's handles with their addresses, which it keeps to subclasses. */
final class Handles {

    private Handles() {}

    static final class Function extends CUfunction {
        long address() {
            return getNativePointer();
        }
    }

    static final class Stream extends CUstream {
        long address() {
            return getNativePointer();
        }
    }

    static final class Block extends CUdeviceptr {
        long address() {
            return getNativePointer();
        }
    }

    static final class HostBlock extends Pointer {
        HostBlock() {}

        long address() {
            return getNativePointer();
        }
    }

    /** A device address as JCuda wants it. */
    static CUdeviceptr at(long address) {
        return new CUdeviceptr().withByteOffset(address);
    }
}
