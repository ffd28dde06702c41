// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Where a device's time went.
 *
 * @param device its name
 * @param ceilings what the device can do, or null if nobody has measured one of its name
 * @param kernels by kernel and shape, the longest first
 */
public record Profile(String device, Ceilings ceilings, List<Kernel> kernels) {

    private static final double TERA = 1e12;
    private static final double MILLIS = 1e3;
    private static final double PERCENT = 100;

    /** Measured, by what a device's name contains: bf16 products of large matrices by cuBLAS, and device-to-device copies. */
    private static final Map<String, Ceilings> MEASURED = Map.of("NVIDIA H200", new Ceilings(700e12, 4.26e12));

    /**
     * What a device can reach.
     *
     * @param flopsPerSecond of large bf16 products
     * @param bytesPerSecond read and written by a copy
     */
    public record Ceilings(double flopsPerSecond, double bytesPerSecond) {}

    /**
     * The launches of one kernel on one shape.
     *
     * @param name of the kernel
     * @param shape numbers that tell its launches apart, such as the {@code m×n×k} of a product; may be empty
     * @param calls launches
     * @param seconds all of them together
     * @param flops floating-point operations of all of them; 0 where the movement of bytes is what counts
     * @param bytes that all of them must move, each input read and each output written once; 0 if not counted
     */
    public record Kernel(String name, String shape, long calls, double seconds, double flops, double bytes) {

        /** Operations a second, in 10^12. */
        public double teraflops() {
            return flops / seconds / TERA;
        }

        /** Bytes a second, in 10^12. */
        public double terabytes() {
            return bytes / seconds / TERA;
        }

        /** The least time that {@code ceilings} allow over the time it took; 0 if nothing was counted. */
        public double ofCeiling(Ceilings ceilings) {
            return Math.max(flops / ceilings.flopsPerSecond(), bytes / ceilings.bytesPerSecond()) / seconds;
        }
    }

    public Profile {
        kernels = kernels.stream()
                .sorted(Comparator.comparingDouble(Kernel::seconds).reversed())
                .toList();
    }

    /** With the ceilings of a device of that name. */
    public static Profile of(String device, List<Kernel> kernels) {
        Ceilings ceilings = MEASURED.entrySet().stream()
                .filter(e -> device.contains(e.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
        return new Profile(device, ceilings, kernels);
    }

    /** Time of all kernels. */
    public double seconds() {
        return kernels.stream().mapToDouble(Kernel::seconds).sum();
    }

    /** A table for people, times and calls a step. */
    public String table(int steps) {
        StringBuilder table = new StringBuilder(String.format(
                Locale.ROOT,
                "%-34s %-18s %7s %9s %6s %8s %6s %7s%n",
                "kernel",
                "shape",
                "calls",
                "ms",
                "share",
                "TFLOP/s",
                "TB/s",
                "ceiling"));
        for (Kernel kernel : kernels) {
            table.append(line(kernel, steps));
        }
        return table.append(String.format(
                        Locale.ROOT, "%-34s %-18s %7s %9.3f%n", "all kernels", "", "", MILLIS * seconds() / steps))
                .toString();
    }

    private String line(Kernel k, int steps) {
        return String.format(
                Locale.ROOT,
                "%-34s %-18s %7.0f %9.3f %5.1f%% %8s %6s %7s%n",
                k.name(),
                k.shape(),
                (double) k.calls() / steps,
                MILLIS * k.seconds() / steps,
                PERCENT * k.seconds() / seconds(),
                number("%.1f", k.teraflops()),
                number("%.2f", k.terabytes()),
                number("%.0f%%", ceilings == null ? 0 : PERCENT * k.ofCeiling(ceilings)));
    }

    private static String number(String format, double value) {
        return value == 0 ? "" : String.format(Locale.ROOT, format, value);
    }
}
