// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import org.apache.spark.SparkConf;

/**
 * What has to be set where the RAPIDS Accelerator runs the data stage of the same application. Names and defaults are those of its
 * configuration.
 */
public final class Rapids {

    private static final String PLUGIN = "com.nvidia.spark.SQLPlugin";
    private static final String REGISTRATOR = "com.nvidia.spark.rapids.GpuKryoRegistrator";
    private static final String POOL = "spark.rapids.memory.gpu.pool";
    private static final String FRACTION = "spark.rapids.memory.gpu.allocFraction";

    private Rapids() {}

    private static boolean plans(SparkConf conf) {
        return conf.get("spark.plugins", "").contains(PLUGIN);
    }

    /**
     * Checks that the plugin's batches can be sent: it has classes that its own registrator doesn't know, and that must go through
     * Java's serializer, which that one says.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the settings to change
     */
    public static void requireItsClasses(SparkConf conf) {
        boolean runs = plans(conf) && !conf.get("spark.rapids.sql.mode", "").equalsIgnoreCase("explainOnly");
        if (!runs || !conf.get("spark.serializer", "").endsWith("KryoSerializer")) {
            return;
        }
        boolean strict = conf.getBoolean("spark.kryo.registrationRequired", false);
        String registrators = conf.get("spark.kryo.registrator", "");
        if (strict || !registrators.contains(REGISTRATOR)) {
            throw ClusterErrors.rapidsClasses(strict, registrators, REGISTRATOR);
        }
    }

    /**
     * Checks that training finds its memory beside the plugin's pool, which has taken it when the executor started.
     *
     * @param device name of the GPU, for the error
     * @param need bytes of the plan
     * @param available bytes that are free on the GPU now
     * @throws io.sparkqlora.kernels.QLoraException RESOURCES, with the fraction to set
     */
    public static void requireRoom(SparkConf conf, String device, long need, long available) {
        if (plans(conf) && !conf.get(POOL, "ASYNC").equalsIgnoreCase("NONE") && available < need) {
            throw ClusterErrors.rapidsPool(device, need, available, conf.getDouble(FRACTION, 1));
        }
    }
}
