// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import org.apache.spark.SparkContext;

/** What would hang or fail on a cluster after data has been read, found before. */
public final class ClusterPreflight {

    private ClusterPreflight() {}

    /**
     * Checks that tasks can run at all.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the setting to change
     */
    public static void checkTasks(SparkContext spark) {
        BarrierSettings.requireResourcesExist(spark.getConf());
        Rapids.requireItsClasses(spark.getConf());
    }

    /**
     * Checks that tasks can run at all and see the base, or can fetch it; for every job that has tasks on executors.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG or INPUT, with the setting to change
     */
    public static void checkBase(SparkContext spark, BaseModel base, JobConfig config) {
        BarrierSettings.requireResourcesExist(spark.getConf());
        Rapids.requireItsClasses(spark.getConf());
        BaseOnExecutors.check(spark, base, config);
    }

    /**
     * How many tasks can train at once, each on a device of its own: the slots that there are now. A local master has one
     * device, whose memory several tasks would share.
     */
    public static int devices(SparkContext spark, String backend) {
        if (spark.isLocal()) {
            return 1;
        }
        TrainingProfile profile = TrainingProfile.of(spark, backend);
        profile.require(1);
        return profile.slots();
    }

    /**
     * Checks that a job can be trained: its ranks side by side, or its groups.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG or INPUT, with the setting to change
     */
    public static void check(SparkContext spark, BaseModel base, JobConfig config) {
        BarrierSettings.require(spark.getConf(), config);
        Rapids.requireItsClasses(spark.getConf());
        if (!config.has(GroupKeys.GROUP_BY)) {
            TrainingProfile.of(spark, config.get(ModelKeys.BACKEND)).require(config.get(ExecutorKeys.NUM_PROCESSES));
        }
        BaseOnExecutors.check(spark, base, config);
    }

    /**
     * Checks that no two tasks of a job's training take the same GPU because nobody gave each one its own; for a job that trains
     * on GPUs.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the settings to make
     */
    public static void checkGpus(SparkContext spark, JobConfig config) {
        String backend = config.get(ModelKeys.BACKEND);
        if (!spark.isLocal() && !TrainingProfile.wanted(spark.getConf(), backend)) {
            int tasks =
                    config.has(GroupKeys.GROUP_BY) ? devices(spark, backend) : config.get(ExecutorKeys.NUM_PROCESSES);
            // the driver is among them
            int executors = spark.statusTracker().getExecutorInfos().length - 1;
            BarrierSettings.requireGpuATask(spark.getConf(), tasks, executors);
        }
    }
}
