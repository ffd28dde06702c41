// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DeviceTraits;

/**
 * The device that a job was found to run on.
 *
 * @param backend {@code cpu} or {@code cuda}; what {@code auto} became
 * @param name of the device, such as {@code cuda:0 (NVIDIA H200)}
 * @param availableBytes memory that can be allocated there
 * @param traits what a plan has to know of it
 * @param note why {@code auto} did not become {@code cuda}, or null
 */
public record RunDevice(String backend, String name, long availableBytes, DeviceTraits traits, String note) {

    /** What people are told. */
    public String describe() {
        return "on " + name + (note == null ? "" : ": backend auto finds no GPU to use (" + note + ")");
    }
}
