// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import org.apache.spark.SparkConf;

/**
 * What the RAPIDS Accelerator leaves of a GPU. Names, defaults and the arithmetic are those of its configuration: the pool
 * takes {@code allocFraction} of the memory that is free when it starts, and at most {@code maxAllocFraction} of all memory
 * less {@code reserve}.
 */
public final class RapidsPool {

    private static final String PLUGIN = "com.nvidia.spark.SQLPlugin";
    private static final String PREFIX = "spark.rapids.memory.gpu.";
    private static final double PERCENT = 100;

    private RapidsPool() {}

    /**
     * Checks that training finds its memory beside the plugin's pool. A pool of type ASYNC, the default, takes memory when
     * it needs it, so that what is free before it does says nothing; any other has taken its memory already.
     *
     * @param device name of the GPU, for the error
     * @param need bytes of the plan
     * @param available bytes that are free on the GPU now
     * @throws io.sparkqlora.kernels.QLoraException RESOURCES, with the fraction to set
     */
    public static void requireRoom(SparkConf conf, String device, long need, long available) {
        boolean grows = conf.get(PREFIX + "pool", "ASYNC").equalsIgnoreCase("ASYNC");
        if (!conf.get("spark.plugins", "").contains(PLUGIN) || !grows) {
            return;
        }
        long pool = bytes(conf, available);
        if (available - pool < need) {
            double fits = Math.floor((available - need) * PERCENT / available) / PERCENT;
            throw ClusterErrors.rapidsPool(device, need, available, pool, fits);
        }
    }

    private static long bytes(SparkConf conf, long available) {
        double fraction = conf.getDouble(PREFIX + "allocFraction", 1);
        double most = conf.getDouble(PREFIX + "maxAllocFraction", 1) * available
                - conf.getSizeAsBytes(PREFIX + "reserve", "640m");
        return (long) Math.max(0, Math.min(fraction * available, most));
    }
}
