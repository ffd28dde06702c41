// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * How the base came to its device.
 *
 * @param bytes that its weights have where they were read
 * @param seconds from the first read until the last weight stood quantised on the device
 */
public record BaseLoading(long bytes, double seconds) {

    /** Both together. */
    public double bytesPerSecond() {
        return bytes / seconds;
    }
}
