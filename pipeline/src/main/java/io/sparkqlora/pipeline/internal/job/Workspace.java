// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.ModelConfig;
import org.apache.spark.sql.SparkSession;

/**
 * What every part of a job works with.
 *
 * @param spark the session
 * @param config the job
 * @param tables its tables
 * @param observer who hears what happens
 */
public record Workspace(SparkSession spark, JobConfig config, JobTables tables, RunObserver observer) {

    /** The workspace of a job in a session that has Delta. */
    public static Workspace open(SparkSession spark, JobConfig config, RunObserver observer) {
        DeltaSettings.check(spark);
        return new Workspace(spark, config, new JobTables(spark, config.get(RunKeys.OUTPUT_DIR)), observer);
    }

    /** The same with the format of a base that is quantised already, so that this is what the run's record says. */
    Workspace withStoredFormat(ModelConfig base) {
        return new Workspace(spark, StoredFormat.of(config, base), tables, observer);
    }

    /** The same with the base of another job. */
    public Workspace withBaseOf(JobConfig job) {
        return withConfig(config.toBuilder()
                .set(ModelKeys.MODEL_NAME_OR_PATH, job.get(ModelKeys.MODEL_NAME_OR_PATH))
                .build());
    }

    /** The same with a backend that was found, in place of {@code auto}. */
    Workspace withBackend(String backend) {
        return withConfig(config.toBuilder().set(ModelKeys.BACKEND, backend).build());
    }

    /** The same with keys that were found. */
    Workspace withConfig(JobConfig found) {
        return new Workspace(spark, found, tables, observer);
    }
}
