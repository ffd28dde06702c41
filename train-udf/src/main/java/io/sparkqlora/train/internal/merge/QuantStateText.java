// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** The text beside a weight in 4 bits, letter for letter as Python's {@code json.dumps} writes bitsandbytes' {@code QuantState}. */
final class QuantStateText {

    /** Enough decimal digits for every F64. */
    private static final int MOST_DIGITS = 17;

    /** Python writes numbers from 1e16 on, and below 1e-4, with an exponent. */
    private static final int PLAIN_BELOW = 16;

    private static final int PLAIN_FROM = -4;

    private QuantStateText() {}

    static byte[] of(QuantizedMatrix weight, String dtype, float offset) {
        QuantFormat format = weight.format();
        String text = "{\"quant_type\": \"" + format.type().name().toLowerCase(Locale.ROOT) + "\", \"blocksize\": "
                + format.blockSize() + ", \"dtype\": \"" + dtype + "\", \"shape\": [" + weight.rows() + ", "
                + weight.cols() + "]";
        if (format.doubleQuant()) {
            text += ", \"nested_blocksize\": " + QuantFormat.NESTED_BLOCK_SIZE
                    + ", \"nested_dtype\": \"float32\", \"nested_offset\": " + python(offset);
        }
        return (text + "}").getBytes(StandardCharsets.UTF_8);
    }

    /** A number as Python's {@code repr}: the fewest digits that give it back. */
    static String python(double value) {
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal exact = new BigDecimal(value);
        int digits = 1;
        BigDecimal rounded = round(exact, digits);
        while (rounded.doubleValue() != value && digits < MOST_DIGITS) {
            rounded = round(exact, ++digits);
        }
        BigDecimal shortest = rounded.stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= PLAIN_FROM && exponent < PLAIN_BELOW) {
            return shortest.scale() > 0 ? shortest.toPlainString() : shortest.toPlainString() + ".0";
        }
        String all = shortest.unscaledValue().abs().toString();
        String mantissa = all.length() == 1 ? all : all.charAt(0) + "." + all.substring(1);
        return (value < 0 ? "-" : "") + mantissa + String.format("e%+03d", exponent);
    }

    private static BigDecimal round(BigDecimal exact, int digits) {
        return exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
    }
}
