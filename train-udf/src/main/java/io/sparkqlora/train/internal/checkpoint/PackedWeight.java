// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.WeightSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A linear layer's weight as bitsandbytes serialises it in 4 bits: the packed elements under the weight's own name, its scales
 * and maps behind it, and a JSON text in bytes that says how to read them ({@code QuantState.as_dict(packed=True)}).
 *
 * @param name of the weight
 * @param rows out_features
 * @param cols in_features
 * @param format type, block size, double quantisation
 * @param storage what the packed bytes are called
 * @param nestedOffset mean of the scales; 0 without double quantisation
 */
public record PackedWeight(
        String name, long rows, long cols, QuantFormat format, QuantStorage storage, float nestedOffset)
        implements StoredWeight {

    public static final String ABSMAX = ".absmax";
    public static final String QUANT_MAP = ".quant_map";
    public static final String NESTED_ABSMAX = ".nested_absmax";
    public static final String NESTED_QUANT_MAP = ".nested_quant_map";
    private static final String STATE = ".quant_state.bitsandbytes__";

    /** The name of the text beside a weight. */
    public static String state(String weight, QuantFormat.Type type) {
        return weight + STATE + type.name().toLowerCase(Locale.ROOT);
    }

    /** Whether a weight is stored in 4 bits. */
    public static boolean isStored(WeightSource source, String weight) {
        return Arrays.stream(QuantFormat.Type.values()).anyMatch(type -> source.contains(state(weight, type)));
    }

    @Override
    public String form() {
        return "as " + format;
    }

    @Override
    public List<String> parts() {
        List<String> parts = new ArrayList<>(List.of(name + ABSMAX, name + QUANT_MAP, state(name, format.type())));
        if (format.doubleQuant()) {
            parts.addAll(List.of(name + NESTED_ABSMAX, name + NESTED_QUANT_MAP));
        }
        return parts;
    }

    /**
     * Reads how a weight is stored, and checks all that belongs to it but the elements and scales themselves.
     *
     * @param where what errors call the file
     * @throws QLoraException INPUT if something is missing, misshapen, or disagrees
     */
    public static PackedWeight read(WeightSource source, String weight, long rows, long cols, String where) {
        return new PackedWeightReader(source, weight, where).read(rows, cols);
    }
}
