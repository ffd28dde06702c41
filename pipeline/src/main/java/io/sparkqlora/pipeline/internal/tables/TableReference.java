// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

/** Writes docs/TABLES.md from {@link Table}. */
public final class TableReference {

    private static final String HEAD =
            """
            # Delta tables

            All under the job's `output_dir`, each a folder. Several runs may share them. Schemas change only by adding columns;
            every column may be null. This file is made from `Table`; a test compares the two.

            A chunk of a run is committed in this order: `metrics`, `adapters`, `training_state`, `runs`. Each write carries the
            transaction id (`txnAppId` = run and table, `txnVersion` = chunk), so that one that is repeated after a kill is
            dropped; the commit of `training_state` is what makes the chunk count.

            A run with `group_by` has no training state: a wave of groups is committed as `metrics`, `adapters`, `groups`, `runs`
            (`txnVersion` = wave), and what `groups` says is what counts.

            ```sql
            SELECT step, loss FROM delta.`<output_dir>/metrics` WHERE run_id = '…' ORDER BY step
            ```
            """;

    private TableReference() {}

    /** The page. */
    public static String markdown() {
        StringBuilder text = new StringBuilder(HEAD);
        for (Table table : Table.values()) {
            text.append("\n## ").append(table.folder()).append("\n\n").append(table.comment());
            if (!table.partitionedBy().isEmpty()) {
                text.append(" Partitioned by ")
                        .append(String.join(", ", table.partitionedBy()))
                        .append('.');
            }
            text.append("\n\n| column | type | |\n|---|---|---|\n");
            for (Column column : table.columns()) {
                text.append("| `")
                        .append(column.name())
                        .append("` | ")
                        .append(column.type().sql());
                text.append(" | ").append(column.comment()).append(" |\n");
            }
        }
        return text.toString();
    }
}
