// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The keys that the first rows of JSON have. */
public final class JsonColumns {

    private static final int LOOKED_AT = 1000;

    private JsonColumns() {}

    /** The keys of the first rows that are objects, in the order in which they are met. */
    public static List<String> of(Dataset<Row> lines) {
        Set<String> keys = new LinkedHashSet<>();
        for (Row line : lines.takeAsList(LOOKED_AT)) {
            addKeys(line.getString(0), keys);
        }
        return List.copyOf(keys);
    }

    private static void addKeys(String line, Set<String> into) {
        try {
            if (Json.read(line) instanceof Map<?, ?> object) {
                object.keySet().forEach(key -> into.add((String) key));
            }
        } catch (JsonProcessingException e) {
            // the tokenise job rejects this row and says why
            return;
        }
    }
}
