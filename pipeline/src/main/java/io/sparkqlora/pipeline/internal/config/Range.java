// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

/**
 * Which numbers a key takes.
 *
 * @param low lower bound
 * @param lowIncluded whether the bound itself is allowed
 * @param high upper bound, infinity for none
 * @param highIncluded whether the bound itself is allowed
 */
public record Range(double low, boolean lowIncluded, double high, boolean highIncluded) {

    /** Above a bound. */
    public static Range above(double low) {
        return new Range(low, false, Double.POSITIVE_INFINITY, false);
    }

    /** A bound or more. */
    public static Range atLeast(double low) {
        return new Range(low, true, Double.POSITIVE_INFINITY, false);
    }

    /** Both bounds included. */
    public static Range closed(double low, double high) {
        return new Range(low, true, high, true);
    }

    /** The lower bound included, the upper one not. */
    public static Range halfOpen(double low, double high) {
        return new Range(low, true, high, false);
    }

    boolean contains(double value) {
        return (lowIncluded ? value >= low : value > low) && (highIncluded ? value <= high : value < high);
    }

    String words() {
        String lower = (lowIncluded ? "of at least " : "above ") + low;
        if (Double.isInfinite(high)) {
            return lower;
        }
        return lower + (highIncluded ? " and at most " : " and below ") + high;
    }
}
