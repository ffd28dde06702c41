// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

/**
 * Numbers that are a function of seed and name alone: SplitMix64 (Steele, Lea and Flood, 2014). Written out, since the
 * product promises the same adapter for a seed on every Java.
 */
public final class SplitMix {

    private static final long GAMMA = 0x9E3779B97F4A7C15L;
    private static final long FNV_OFFSET = 0xCBF29CE484222325L;
    private static final long FNV_PRIME = 0x100000001B3L;

    private long state;

    /** The stream of a seed and a name. */
    public SplitMix(long seed, String name) {
        long hash = FNV_OFFSET;
        for (int i = 0; i < name.length(); i++) {
            hash = (hash ^ name.charAt(i)) * FNV_PRIME;
        }
        state = mix(seed + GAMMA) ^ mix(hash);
    }

    /** Uniform in [0, 1), a multiple of 2⁻²⁴. */
    public float nextFloat() {
        state += GAMMA;
        return (mix(state) >>> 40) * 0x1p-24f;
    }

    /** Normal, by Box and Muller's transform of two uniform numbers, in Java's strict functions: the same on every machine. */
    public double nextNormal() {
        double u = 1 - nextFloat(); // above 0
        double angle = 2 * Math.PI * nextFloat();
        return StrictMath.sqrt(-2 * StrictMath.log(u)) * StrictMath.cos(angle);
    }

    private static long mix(long z) {
        long a = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        long b = (a ^ (a >>> 27)) * 0x94D049BB133111EBL;
        return b ^ (b >>> 31);
    }
}
