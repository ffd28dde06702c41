// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.config.MemoryAmount;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceInformation;
import org.apache.spark.sql.SparkSession;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Opens the device that the key {@code backend} names. On a cluster that is the executor's: its GPU is the one that Spark gave
 * the task, else the executor's first one (which {@code QLoraPlugin} hears of), the driver's first one where Spark gave none.
 */
public final class RunDevices {

    public static final String AUTO = "auto";
    public static final String CPU = "cpu";
    public static final String CUDA = "cuda";

    private static final String GPU = "gpu";

    /** No kernels in this build, no driver, no GPU, a GPU that is too old: then {@code auto} is the CPU. */
    private static final Set<String> NO_GPU = Set.of("QLORA-K004", "QLORA-K040", "QLORA-K041", "QLORA-K043");

    private static volatile Function<String, Device> opener = Devices::open;

    /** Of this executor, where Spark schedules them and the plugin runs. */
    private static volatile List<String> executorGpus = List.of();

    private RunDevices() {}

    /** What Spark gave this executor; tasks that it gave none of their own take the first of them. */
    public static void executorHas(List<String> addresses) {
        executorGpus = List.copyOf(addresses);
    }

    /** Devices for tests that no machine has. */
    static void openWith(Function<String, Device> other) {
        opener = other;
    }

    /** As {@link #open(String)}, with no more memory than the job says. */
    public static Device open(JobConfig config) {
        return limited(open(config.get(ModelKeys.BACKEND)), config.get(ModelKeys.MAX_MEMORY));
    }

    private static Device limited(Device device, String maxMemory) {
        if (maxMemory != null) {
            device.limit(MemoryAmount.bytes(maxMemory).orElseThrow());
        }
        return device;
    }

    /**
     * Opens this process's device; whoever opens it closes it.
     *
     * @param backend auto, cpu or cuda
     * @throws QLoraException RESOURCES if there is no such device, DEVICE if it fails
     */
    public static Device open(String backend) {
        return backend.equals(AUTO) ? openAny().device() : opener.apply(deviceName(backend, gpu()));
    }

    private record Opened(Device device, String backend, String note) {}

    private static Opened openAny() {
        List<String> given = gpu();
        try {
            return new Opened(opener.apply(deviceName(CUDA, given)), CUDA, null);
        } catch (QLoraException e) {
            if (!given.isEmpty() || !NO_GPU.contains(e.code())) {
                throw e;
            }
            return new Opened(opener.apply(CPU), CPU, e.code());
        }
    }

    /** The kernels' name of a backend's device: {@code cuda:1} where Spark gave the task the GPU with address 1. */
    static String deviceName(String backend, List<String> addresses) {
        if (!backend.equals(CUDA) || addresses.isEmpty()) {
            return backend;
        }
        String address = addresses.get(0);
        if (!address.matches("\\d{1,4}")) {
            throw PipelineErrors.badGpuAddress(address);
        }
        return CUDA + ":" + address;
    }

    private static List<String> gpu() {
        TaskContext task = TaskContext.get();
        ResourceInformation gpu = task == null
                ? null
                : CollectionConverters.asJava(task.resources()).get(GPU);
        return gpu == null ? executorGpus : List.of(gpu.addresses());
    }

    /** This process's device, opened and closed again. */
    public static RunDevice here(String backend) {
        return here(backend, null);
    }

    /** The device of a job in this process, opened and closed again. */
    public static RunDevice here(JobConfig config) {
        return here(config.get(ModelKeys.BACKEND), config.get(ModelKeys.MAX_MEMORY));
    }

    static RunDevice here(String backend, String maxMemory) {
        Opened opened = backend.equals(AUTO) ? openAny() : new Opened(open(backend), backend, null);
        try (Device device = limited(opened.device(), maxMemory)) {
            String name = device.name() + (maxMemory == null ? "" : ", max_memory " + maxMemory);
            return new RunDevice(opened.backend(), name, device.availableBytes(), device.traits(), opened.note());
        }
    }

    /** The device of a job on an executor: on a cluster, one task looks. */
    public static RunDevice find(SparkSession spark, JobConfig config) {
        String backend = config.get(ModelKeys.BACKEND);
        String maxMemory = config.get(ModelKeys.MAX_MEMORY);
        if (spark.sparkContext().isLocal()) {
            return here(backend, maxMemory);
        }
        String report = TrainingProfile.of(spark.sparkContext(), backend)
                .on(new JavaSparkContext(spark.sparkContext())
                        .parallelize(List.of(backend), 1)
                        .map(each -> DeviceReport.of(each, maxMemory)))
                .first();
        return DeviceReport.device(report);
    }
}
