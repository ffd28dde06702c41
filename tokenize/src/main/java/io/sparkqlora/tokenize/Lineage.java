// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

/**
 * Where rows come from, precisely enough to tell whether they are the same rows again.
 *
 * @param identity what was read, such as {@code jsonl:file:/data/chats.jsonl} or {@code table:spark_catalog.db.chats}
 * @param version which state of it: {@code delta:12} (the table's version), {@code files:…} (a hash of every file's name,
 *     size and modification time), {@code content:…} (a hash of the tokenised rows), or null while it isn't known
 */
public record Lineage(String identity, String version) {

    /** Whether the version is known before the rows are read. */
    public boolean versioned() {
        return version != null;
    }
}
