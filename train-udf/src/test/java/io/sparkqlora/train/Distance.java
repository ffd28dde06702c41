// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/** How far numbers are from what they should be. */
final class Distance {

    private Distance() {}

    /** {@code ‖actual − expected‖ / ‖expected‖}. */
    static double relativeNorm(float[] actual, float[] expected) {
        checkLengths(actual, expected);
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            double d = (double) actual[i] - expected[i];
            difference += d * d;
            norm += (double) expected[i] * expected[i];
        }
        return difference == 0 ? 0 : Math.sqrt(difference / norm);
    }

    /** The largest difference over the largest magnitude expected. */
    static double ofLargest(float[] actual, float[] expected) {
        checkLengths(actual, expected);
        double difference = 0;
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            double d = Math.abs((double) actual[i] - expected[i]);
            difference = Double.isNaN(d) ? Double.NaN : Math.max(difference, d);
            largest = Math.max(largest, Math.abs((double) expected[i]));
        }
        return difference / largest;
    }

    /** {@code |actual − expected| / |expected|}. */
    static double relative(double actual, double expected) {
        return Math.abs(actual - expected) / Math.abs(expected);
    }

    private static void checkLengths(float[] actual, float[] expected) {
        if (actual.length != expected.length) {
            throw new AssertionError(actual.length + " numbers, expected " + expected.length);
        }
    }
}
