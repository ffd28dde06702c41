// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.sparkqlora.tokenize.ValidationSplit;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * How often a row is there: as its source's part of a mix says, and not at all on the other side of the validation split. Its
 * content alone decides, whatever other rows there are.
 *
 * @param copies of the source's rows
 * @param split the side that is wanted, or null for all rows
 */
record RowShare(double copies, ValidationSplit split) implements Serializable {

    private static final long serialVersionUID = 1L;

    static final RowShare WHOLE = new RowShare(1, null);

    /** 53 bits are what a double holds. */
    private static final int SHIFT = Long.SIZE - 53;

    private static final double UNIT = 0x1p-53;

    /** Of a row that can be read, by its example; of any other, by its text. */
    int of(RowShape shape, Map<?, ?> columns, String json) {
        if (split == null && copies == Math.rint(copies)) {
            return (int) copies;
        }
        ByteBuffer hash =
                ByteBuffer.wrap(Hashes.sha256(content(shape, columns, json).getBytes(StandardCharsets.UTF_8)));
        if (split != null && !split.takes(place(hash.getLong()))) {
            return 0;
        }
        double whole = Math.floor(copies);
        return (int) whole + (place(hash.getLong()) < copies - whole ? 1 : 0);
    }

    private static double place(long bits) {
        return (bits >>> SHIFT) * UNIT;
    }

    private static String content(RowShape shape, Map<?, ?> columns, String json) {
        if (columns == null) {
            return json;
        }
        List<Object> values = new ArrayList<>();
        shape.exampleColumns().forEach(column -> values.add(columns.get(column)));
        try {
            return Json.write(values);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("what was read as JSON can be written", e);
        }
    }
}
