// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.sparkqlora.tokenize.GroupColumns;
import java.util.Map;
import java.util.TreeMap;

/**
 * The group of a source row.
 *
 * @param key its key, or null
 * @param hyperparameters what the row says of them as one line of JSON, names sorted, so that equal settings are equal texts;
 *     {} where it says nothing; null without such a column
 */
record RowGroup(String key, String hyperparameters) {

    /** Of a row that belongs to no group, or to one that can't be told. */
    static final RowGroup NONE = new RowGroup(null, null);

    /** The group of a row's columns; NONE without columns of groups. */
    static RowGroup of(GroupColumns groups, Map<?, ?> columns) throws RejectedRow {
        if (groups == null) {
            return NONE;
        }
        String hyperparameters = groups.hyperparameters() == null ? null : text(columns.get(groups.hyperparameters()));
        return new RowGroup(key(groups.key(), columns.get(groups.key())), hyperparameters);
    }

    private static String key(String column, Object value) throws RejectedRow {
        if (value == null) {
            throw new RejectedRow("missing_group", column + " is null");
        }
        if (!(value instanceof String || value instanceof Number)) {
            throw new RejectedRow("invalid_group", column + " is " + Values.kind(value) + ", not a string or a number");
        }
        if (value.toString().isEmpty()) {
            throw new RejectedRow("invalid_group", column + " is empty");
        }
        return value.toString();
    }

    /** What isn't an object stays what it is: it is the group that fails then, by its name, and not this row. */
    private static String text(Object value) throws RejectedRow {
        Object settings = value instanceof String json ? parsed(json) : value;
        if (settings == null) {
            return "{}";
        }
        try {
            return Json.write(settings instanceof Map<?, ?> map ? new TreeMap<>(map) : settings);
        } catch (JsonProcessingException e) {
            throw new RejectedRow("invalid_hyperparameters", Json.problem(e));
        }
    }

    private static Object parsed(String json) {
        try {
            return json.isBlank() ? null : Json.read(json);
        } catch (JsonProcessingException e) {
            return json;
        }
    }
}
