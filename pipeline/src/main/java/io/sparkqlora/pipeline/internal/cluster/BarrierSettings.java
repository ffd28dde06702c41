// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import java.util.Arrays;
import org.apache.spark.SparkConf;
import scala.Tuple2;

/** Checks of settings alone. */
final class BarrierSettings {

    private static final String CPU = "cpu";

    private BarrierSettings() {}

    /** Tasks that ask for what no executor will have are never started, and nothing says so. */
    static void requireResourcesExist(SparkConf conf) {
        if (isLocal(conf)) {
            Arrays.stream(conf.getAllWithPrefix("spark.task.resource."))
                    .filter(setting -> setting._1().endsWith(".amount") && Double.parseDouble(setting._2()) > 0)
                    .map(Tuple2::_1)
                    .findFirst()
                    .ifPresent(name -> {
                        throw ClusterErrors.localResources(master(conf), "spark.task.resource." + name);
                    });
        }
    }

    /** What a job's training asks of the settings, before anything is known of the devices. */
    static void require(SparkConf conf, JobConfig config) {
        requireResourcesExist(conf);
        if (config.has(GroupKeys.GROUP_BY)) {
            requireWholeGpus(conf, config.get(ModelKeys.BACKEND));
        } else {
            requireBarrier(conf, config.get(ExecutorKeys.NUM_PROCESSES), config.get(ModelKeys.BACKEND));
        }
    }

    /** What Spark's barrier stages don't do, and what ranks should not. */
    private static void requireBarrier(SparkConf conf, int numProcesses, String backend) {
        // a local master has one executor, whatever the setting
        if (conf.getBoolean("spark.dynamicAllocation.enabled", false) && !isLocal(conf)) {
            throw ClusterErrors.dynamicAllocation(numProcesses);
        }
        if (numProcesses > 1 && sharesGpus(conf, backend)) {
            throw ClusterErrors.fractionalGpu(gpus(conf), numProcesses);
        }
    }

    /** Each task of groups loads a base, and plans with all of its GPU's memory. */
    private static void requireWholeGpus(SparkConf conf, String backend) {
        if (sharesGpus(conf, backend)) {
            throw ClusterErrors.fractionalGpuOfGroups(gpus(conf));
        }
    }

    /**
     * Without Spark's scheduling a task takes the first GPU that its process sees, and so do all tasks of that process.
     *
     * @param tasks that run side by side
     * @param executors that they run in
     */
    static void requireGpuATask(SparkConf conf, int tasks, int executors) {
        if (gpus(conf) == 0 && tasks > executors) {
            throw ClusterErrors.gpusNotScheduled(tasks, executors);
        }
    }

    private static boolean sharesGpus(SparkConf conf, String backend) {
        return gpus(conf) > 0 && gpus(conf) < 1 && !backend.equals(CPU) && !TrainingProfile.wanted(conf, backend);
    }

    private static double gpus(SparkConf conf) {
        return TrainingProfile.tasksGpus(conf);
    }

    /** Whether driver and tasks share a process; {@code local-cluster} has executors. */
    static boolean isLocal(SparkConf conf) {
        return master(conf).equals("local") || master(conf).startsWith("local[");
    }

    private static String master(SparkConf conf) {
        return conf.get("spark.master", "");
    }
}
