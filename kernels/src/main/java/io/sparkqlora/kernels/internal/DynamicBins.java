// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

/**
 * How bitsandbytes' CPU library finds 8-bit codes since 0.50: [−1, 1] is cut into 65,536 bins, each of which has the code
 * that is nearest to it; a value very near the middle of two codes may get the farther one.
 */
public final class DynamicBins {

    /** Number of bins. */
    public static final int COUNT = 65536;

    private DynamicBins() {}

    /** The code of each bin for an ascending map of 256 values. */
    public static byte[] codes(float[] map) {
        byte[] codes = new byte[COUNT];
        int code = 0;
        for (int bin = 0; bin < COUNT; bin++) {
            float value = -1f + (2f * bin) / (COUNT - 1);
            while (code < map.length - 1 && 0.5f * (map[code] + map[code + 1]) < value) {
                code++;
            }
            codes[bin] = (byte) code;
        }
        return codes;
    }

    /** The bin of a value, clamped to [−1, 1]; of what is not a number, the first. */
    public static int bin(float normalised) {
        float clamped = Math.max(-1f, Math.min(1f, normalised));
        return (int) ((clamped + 1f) * 0.5f * (COUNT - 1) + 0.5f);
    }
}
