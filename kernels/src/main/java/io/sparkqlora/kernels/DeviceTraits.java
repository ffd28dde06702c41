// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** What a plan has to know of a device. */
public interface DeviceTraits {

    /** Of a device that computes in the host's memory. */
    DeviceTraits HOST = new DeviceTraits() {
        @Override
        public boolean ownsMemory() {
            return false;
        }

        @Override
        public long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long outputs, long rank) {
            return 0;
        }
    };

    /** Whether the device has memory of its own, apart from the host's. */
    boolean ownsMemory();

    /**
     * Whether a product with a 4-bit weight dequantises all of it first, however many rows there are. Then it is worth keeping what
     * was dequantised for a second product.
     */
    default boolean dequantizesWhole() {
        return false;
    }

    /**
     * Bytes that the device itself allocates for its operations: tables, and what an operation keeps between its own kernels.
     *
     * @param attention the model's
     * @param dtype type of its activations
     * @param tokens the most at once, of however many sequences
     * @param outputs the most of linear layers that share an input
     * @param rank of the adapter
     */
    long workspaceBytes(Attention.Settings attention, DType dtype, long tokens, long outputs, long rank);
}
