// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A linear layer's weight as bitsandbytes serialises it in 8 bits ({@code Linear8bitLt._save_to_state_dict}): the codes under the
 * weight's own name, I8 [out, in] row by row; beside them {@code SCB}, F32 [out], the largest magnitude of each row; and from
 * version 0.40 on {@code weight_format}, a U8 that numbers the order of the codes, 0 for rows.
 *
 * @param name of the weight
 * @param rows out_features
 * @param cols in_features
 * @param tells whether {@code weight_format} stands beside it
 */
public record Int8Weight(String name, long rows, long cols, boolean tells) implements StoredWeight {

    private static final String WEIGHT = ".weight";
    private static final String SCALES = ".SCB";
    private static final String FORMAT = ".weight_format";

    /** {@code LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING}: orders in which older versions had kernels of NVIDIA's read codes. */
    private static final List<String> FORMATS = List.of("row", "col32", "col_turing", "col_ampere");

    /** The name of a weight's scales. */
    public static String scales(String weight) {
        return beside(weight, SCALES);
    }

    /** The name of what says how its codes are ordered. */
    public static String format(String weight) {
        return beside(weight, FORMAT);
    }

    private static String beside(String weight, String part) {
        return weight.substring(0, weight.length() - WEIGHT.length()) + part;
    }

    /** Whether a weight, or what belongs to one, is stored in 8 bits. */
    public static boolean isStored(WeightSource source, String weight) {
        if (!weight.endsWith(WEIGHT)) {
            return false;
        }
        return source.contains(scales(weight))
                || (source.contains(weight) && source.info(weight).dtype() == DType.I8);
    }

    @Override
    public List<String> parts() {
        List<String> parts = new ArrayList<>(List.of(scales(name)));
        if (tells) {
            parts.add(format(name));
        }
        return parts;
    }

    @Override
    public String form() {
        return "in 8 bits";
    }

    /**
     * Reads how a weight is stored, and checks all that belongs to it but its codes.
     *
     * @param where what errors call the file
     * @throws QLoraException INPUT if something is missing, misshapen, no scale, or in another order than row by row
     */
    public static Int8Weight read(WeightSource source, String weight, long rows, long cols, String where) {
        require(source, weight, weight, DType.I8, List.of(rows, cols), where);
        require(source, weight, scales(weight), DType.F32, List.of(rows), where);
        requireScales(source, weight, where);
        boolean tells = source.contains(format(weight));
        if (tells) {
            requireByRow(source, weight, where);
        }
        return new Int8Weight(weight, rows, cols, tells);
    }

    private static void require(
            WeightSource source, String weight, String tensor, DType dtype, List<Long> shape, String where) {
        if (!source.contains(tensor)) {
            throw FormatErrors.badInt8Weight(where, weight, tensor + " is missing");
        }
        TensorInfo info = source.info(tensor);
        TensorInfo expected = new TensorInfo(dtype, shape);
        if (!info.equals(expected)) {
            throw FormatErrors.badInt8Weight(
                    where,
                    weight,
                    (tensor.equals(weight) ? "it" : SCALES.substring(1)) + " is " + info.dtype() + " "
                            + info.shapeText() + ", expected " + dtype + " " + expected.shapeText());
        }
    }

    private static void requireScales(WeightSource source, String weight, String where) {
        ByteBuffer scales = source.read(scales(weight)).duplicate().order(ByteOrder.LITTLE_ENDIAN);
        for (int row = 0; scales.hasRemaining(); row++) {
            float scale = scales.getFloat();
            if (!(scale >= 0 && Float.isFinite(scale))) {
                throw FormatErrors.badInt8Weight(
                        where,
                        weight,
                        SCALES.substring(1) + " has " + scale + " for row " + row
                                + ", a number of 0 or more is expected");
            }
        }
    }

    private static void requireByRow(WeightSource source, String weight, String where) {
        TensorInfo info = source.info(format(weight));
        if (info.dtype() != DType.U8 || info.size() != 1) {
            throw FormatErrors.badInt8Weight(
                    where,
                    weight,
                    FORMAT.substring(1) + " is " + info.dtype() + " " + info.shapeText() + ", expected one U8");
        }
        int format = source.read(format(weight)).duplicate().get() & 0xff;
        if (format != 0) {
            throw FormatErrors.notByRow(
                    where, weight, format < FORMATS.size() ? FORMATS.get(format) : "number " + format);
        }
    }
}
