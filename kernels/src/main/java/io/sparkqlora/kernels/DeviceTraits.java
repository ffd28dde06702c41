// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * What a plan has to know of a device.
 *
 * @param ownsMemory whether the device has memory of its own, apart from the host's
 */
public record DeviceTraits(boolean ownsMemory) {

    /** Of a device that computes in the host's memory. */
    public static final DeviceTraits HOST = new DeviceTraits(false);
}
