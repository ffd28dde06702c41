// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.groups.GroupChecks;
import io.sparkqlora.pipeline.internal.job.EvalChecks;
import io.sparkqlora.pipeline.internal.job.PreferenceChecks;
import io.sparkqlora.pipeline.internal.report.Reports;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * An adapter that somebody wants.
 *
 * @param rows what it is to be trained on: input_ids, labels
 * @param job how
 * @param atOnce how many may be trained side by side
 */
public record Fit(Dataset<Row> rows, JobConfig job, int atOnce) {

    /** What adapters that are trained side by side may have of their own. */
    SortedMap<String, Object> own() {
        SortedMap<String, Object> own = job.effective();
        own.keySet().retainAll(GroupChecks.ownKeys());
        return own;
    }

    /** Everything else. */
    private SortedMap<String, Object> shared() {
        SortedMap<String, Object> shared = new TreeMap<>(job.effective());
        shared.keySet().removeAll(GroupChecks.ownKeys());
        return shared;
    }

    /** Whether it may be trained beside others: each on one device, which has the whole base, in one go. */
    boolean groupable() {
        return job.get(ExecutorKeys.NUM_PROCESSES) == 1
                && !job.get(ExecutorKeys.SHARD_BASE)
                && !job.has(AdapterKeys.MODULES_TO_SAVE)
                && !EvalChecks.wanted(job)
                && !PreferenceChecks.wanted(job)
                && !Reports.wanted(job);
    }

    /** Whether both can be one run. */
    boolean goesWith(Fit other) {
        return groupable()
                && atOnce == other.atOnce
                && shared().equals(other.shared())
                && rows.sameSemantics(other.rows);
    }
}
