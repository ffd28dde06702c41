// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import static org.apache.spark.sql.functions.array;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.struct;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.TrainJob;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.tokenize.SourceRows;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * A run that was trained for some fits: a plain one for one fit, or one of groups, whose keys say what differs between them.
 *
 * @param work its tables
 * @param run its record
 * @param varied keys that differ between its groups; empty for a plain run
 */
record Trained(Workspace work, RunRecord run, Set<String> varied) {

    private static final String GROUP = "param_map";
    private static final String HYPERPARAMETERS = "hyperparameters";

    /** Trains fits that go together. */
    static Trained of(List<Fit> fits) {
        List<SortedMap<String, Object>> settings =
                fits.stream().map(Fit::own).distinct().toList();
        Set<String> varied = varied(settings);
        return varied.isEmpty() ? alone(fits.get(0)) : grouped(fits.get(0), settings, varied);
    }

    private static Set<String> varied(List<SortedMap<String, Object>> settings) {
        Set<String> varied = new HashSet<>();
        for (String key : settings.get(0).keySet()) {
            if (settings.stream().map(each -> each.get(key)).distinct().count() > 1) {
                varied.add(key);
            }
        }
        return varied;
    }

    private static Trained alone(Fit fit) {
        return train(fit.rows(), fit.job(), Set.of());
    }

    /** What they share is the run's, what differs is the groups'; so the run is the same whichever of them came first. */
    private static Trained grouped(Fit any, List<SortedMap<String, Object>> settings, Set<String> varied) {
        JobConfigBuilder job = any.job().toBuilder();
        varied.forEach(key -> job.set(key, null));
        int atOnce = Math.min(any.atOnce(), settings.size());
        job.set(GroupKeys.GROUP_BY, GROUP)
                .set(GroupKeys.GROUP_HYPERPARAMETERS, HYPERPARAMETERS)
                .set(GroupKeys.GROUPS_PER_DEVICE, atOnce);
        return train(rows(any.rows(), settings, varied), job.build(), varied);
    }

    /** Every row once for each group. */
    private static Dataset<Row> rows(Dataset<Row> rows, List<SortedMap<String, Object>> settings, Set<String> varied) {
        Column[] groups = settings.stream()
                .map(own -> only(own, varied))
                .map(own -> struct(
                        lit(key(own)).as(GROUP), lit(ConfigJson.text(own)).as(HYPERPARAMETERS)))
                .toArray(Column[]::new);
        return rows.withColumn("group", explode(array(groups)))
                .select(col("input_ids"), col("labels"), col("group." + GROUP), col("group." + HYPERPARAMETERS));
    }

    private static SortedMap<String, Object> only(SortedMap<String, Object> own, Set<String> varied) {
        SortedMap<String, Object> only = new TreeMap<>(own);
        only.keySet().retainAll(varied);
        return only;
    }

    /** The key of a group: what it has of its own. */
    private static String key(SortedMap<String, Object> own) {
        return own.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + entry.getValue())
                .collect(Collectors.joining(","));
    }

    private static Trained train(Dataset<Row> rows, JobConfig job, Set<String> varied) {
        Workspace work = Workspace.open(rows.sparkSession(), job, RunObserver.NONE);
        return new Trained(work, TrainJob.train(work, SourceRows.of(rows, TokenInput.SOURCE)), varied);
    }

    /**
     * The adapter of one of the fits.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P095 if its group failed, with the reason
     */
    FittedAdapter of(Fit fit) {
        String group = varied.isEmpty() ? null : key(only(fit.own(), varied));
        return FittedAdapter.of(RunChoice.of(work, run.inputs().runId(), group, null));
    }
}
