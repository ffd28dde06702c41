// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The keys that the first rows of JSON have. */
final class JsonColumns {

    /** How many rows are looked at. */
    static final int LOOKED_AT = 1000;

    private JsonColumns() {}

    /** The keys of the first rows that are objects, in the order in which they are met. */
    static List<String> of(Iterator<String> rows) {
        Set<String> keys = new LinkedHashSet<>();
        for (int i = 0; i < LOOKED_AT && rows.hasNext(); i++) {
            addKeys(rows.next(), keys);
        }
        return List.copyOf(keys);
    }

    private static void addKeys(String row, Set<String> into) {
        try {
            if (Json.read(row) instanceof Map<?, ?> object) {
                object.keySet().forEach(key -> into.add((String) key));
            }
        } catch (JsonProcessingException e) {
            // the tokenise job rejects this row and says why
            return;
        }
    }
}
