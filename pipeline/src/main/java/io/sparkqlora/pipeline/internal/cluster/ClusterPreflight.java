// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.internal.data.BaseModel;
import org.apache.spark.SparkConf;
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
    }

    /**
     * Checks that tasks can run at all and see the base; for every job that has tasks on executors.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG or INPUT, with the setting to change
     */
    public static void check(SparkContext spark, BaseModel base) {
        BarrierSettings.requireResourcesExist(spark.getConf());
        BaseOnExecutors.check(spark, base);
    }

    /**
     * How many tasks can train at once, each on a device of its own: the slots that there are now. A local master has one
     * device, whose memory several tasks would share.
     */
    public static int devices(SparkContext spark) {
        if (spark.isLocal()) {
            return 1;
        }
        Slots.require(spark, 1);
        return Slots.of(spark);
    }

    /**
     * Checks that so many ranks can run side by side, too.
     *
     * @param backend auto, cpu or cuda
     * @throws io.sparkqlora.kernels.QLoraException CONFIG or INPUT, with the setting to change
     */
    public static void check(SparkContext spark, BaseModel base, int numProcesses, String backend) {
        SparkConf conf = spark.getConf();
        BarrierSettings.requireResourcesExist(conf);
        BarrierSettings.requireBarrier(conf, numProcesses, backend);
        Slots.require(spark, numProcesses);
        BaseOnExecutors.check(spark, base);
    }
}
