// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Whether the group that is asked for has an adapter. */
final class GroupChoice {

    private static final String DONE = "done";
    private static final int SHOWN = 8;

    private GroupChoice() {}

    /**
     * Checks that a run of groups is asked for one of them, and any other run for none.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with some of the groups that there are
     */
    static void check(JobTables tables, RunRecord run, String group) {
        String runId = run.inputs().runId();
        if (!ConfigJson.read(run.inputs().config()).has(GroupKeys.GROUP_BY)) {
            if (group != null) {
                throw GroupErrors.noGroups(runId, group);
            }
            return;
        }
        Dataset<Row> groups = tables.read(Table.GROUPS).where(col("run_id").equalTo(runId));
        if (group == null) {
            throw GroupErrors.groupNeeded(runId, some(groups), groups.count());
        }
        Row found = groups.where(col("group_key").equalTo(group)).collectAsList().stream()
                .findFirst()
                .orElseThrow(() -> GroupErrors.unknownGroup(runId, group, some(groups)));
        if (!DONE.equals(found.getAs("status"))) {
            throw GroupErrors.groupNotDone(runId, group, found.getAs("status"), found.getAs("error"));
        }
    }

    private static List<String> some(Dataset<Row> groups) {
        return groups
                .where(col("status").equalTo(DONE))
                .orderBy("group_key")
                .select("group_key")
                .limit(SHOWN)
                .collectAsList()
                .stream()
                .map(row -> row.getString(0))
                .toList();
    }
}
