// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.Serializable;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * The columns that say which group a row belongs to.
 *
 * @param key the column of keys, strings or numbers; a number counts as its text
 * @param hyperparameters the column of the group's hyper-parameters (a struct, a map, or a JSON object as text), or null
 */
public record GroupColumns(String key, String hyperparameters) implements Serializable {

    private static final long serialVersionUID = 1L;

    /** The columns that are set. */
    public List<String> names() {
        return Stream.of(key, hyperparameters).filter(Objects::nonNull).toList();
    }
}
