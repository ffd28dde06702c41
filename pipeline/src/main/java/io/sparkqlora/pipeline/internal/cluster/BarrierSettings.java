// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import java.util.Arrays;
import org.apache.spark.SparkConf;
import scala.Tuple2;

/** Checks of settings alone. */
final class BarrierSettings {

    private static final String TASK_GPUS = "spark.task.resource.gpu.amount";

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

    /** What Spark's barrier stages don't do, and what ranks should not. */
    static void requireBarrier(SparkConf conf, int numProcesses, String backend) {
        // a local master has one executor, whatever the setting
        if (conf.getBoolean("spark.dynamicAllocation.enabled", false) && !isLocal(conf)) {
            throw ClusterErrors.dynamicAllocation(numProcesses);
        }
        double gpus = conf.getDouble(TASK_GPUS, 0);
        if (numProcesses > 1 && gpus > 0 && gpus < 1 && !backend.equals("cpu")) {
            throw ClusterErrors.fractionalGpu(gpus, numProcesses);
        }
    }

    /** Whether driver and tasks share a process; {@code local-cluster} has executors. */
    static boolean isLocal(SparkConf conf) {
        return master(conf).equals("local") || master(conf).startsWith("local[");
    }

    private static String master(SparkConf conf) {
        return conf.get("spark.master", "");
    }
}
