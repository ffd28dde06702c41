// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.List;

/**
 * What a cluster's settings get wrong, found before data is read. Codes P070–P089 and P120–P129; the rest of this module's errors is in
 * {@link PipelineErrors}.
 */
public final class ClusterErrors {

    private ClusterErrors() {}

    /** Executors that come and go, under ranks that must stay. */
    public static QLoraException dynamicAllocation(int numProcesses) {
        return config(
                70,
                "spark.dynamicAllocation.enabled is true, and the " + numProcesses
                        + " ranks of training are one barrier"
                        + " stage, for which Spark refuses it; set spark.dynamicAllocation.enabled=false and"
                        + " spark.executor.instances (on a standalone cluster spark.cores.max)");
    }

    /** Fewer slots than ranks. */
    public static QLoraException tooFewSlots(int numProcesses, int slots, String master, long waitedMillis) {
        return config(
                71,
                "num_processes is " + numProcesses + ", but the executors of " + master + " have room for " + slots
                        + " tasks at once (waited " + waitedMillis / 1000
                        + " s for more); lower num_processes, or raise"
                        + " spark.executor.instances or spark.cores.max, and see that spark.task.cpus and"
                        + " spark.task.resource.gpu.amount leave a slot for each rank");
    }

    /** Fewer GPUs than ranks, of which each asks for one. */
    public static QLoraException tooFewGpus(int tasks, int slots, String master, String ofExecutor, long waitedMillis) {
        return config(
                85,
                tasks
                        + (tasks == 1
                                ? " task trains, on a GPU of its own"
                                : " tasks train at once, each on a GPU of its own")
                        + ", but the executors of " + master + " have room for " + slots + " (waited "
                        + waitedMillis / 1000
                        + " s for more); each has spark.executor.resource.gpu.amount=" + ofExecutor
                        + ", and a task takes a GPU and spark.task.cpus cores: raise spark.executor.instances or"
                        + " spark.cores.max, or lower num_processes");
    }

    /** Several ranks on a GPU. */
    public static QLoraException fractionalGpu(double amount, int numProcesses) {
        return config(
                72,
                "spark.task.resource.gpu.amount is " + amount + ", so that " + (int) (1 / amount)
                        + " tasks share a GPU, and num_processes is " + numProcesses
                        + ": ranks that share a GPU wait for one another; set spark.task.resource.gpu.amount=1");
    }

    /** Several groups' tasks on a GPU. */
    public static QLoraException fractionalGpuOfGroups(double amount) {
        return config(
                120,
                "spark.task.resource.gpu.amount is " + amount + ", so that " + (int) (1 / amount)
                        + " tasks share a GPU, and each task of a job with group_by loads a base of its own; set"
                        + " spark.task.resource.gpu.amount=1, and groups_per_device for several groups beside one base (without"
                        + " dynamic allocation, on a standalone cluster, YARN or Kubernetes, training asks for whole GPUs by"
                        + " itself)");
    }

    /** Tasks that would all take their executor's first GPU. */
    public static QLoraException gpusNotScheduled(int tasks, int executors) {
        return config(
                121,
                "Spark gives tasks no GPUs of their own, and " + tasks + " tasks train side by side on " + executors
                        + " executors: those of one executor would take the same GPU; set"
                        + " spark.executor.resource.gpu.amount=1, and each task of training asks for one (with dynamic"
                        + " allocation, or another manager than standalone, YARN or Kubernetes, set"
                        + " spark.task.resource.gpu.amount=1, too), or spark.executor.cores to spark.task.cpus, for one task"
                        + " an executor");
    }

    /** What a local master never has. */
    public static QLoraException localResources(String master, String key) {
        return config(
                73,
                key + " is set, but the master is " + master + ", which has no such resource to give: tasks would wait"
                        + " for ever; remove the setting (a local run takes the first GPU) or use a cluster's master");
    }

    /** Too little is left beside RAPIDS. */
    public static QLoraException rapidsPool(String device, long need, long have, double fraction) {
        return new QLoraException(
                "QLORA-P075",
                Kind.RESOURCES,
                "not enough memory on " + device + " beside RAPIDS: training needs " + need + " bytes, " + have
                        + " are free beside the plugin's pool (spark.rapids.memory.gpu.allocFraction is " + fraction
                        + "); set that to at most 1 - " + need + " / the GPU's bytes, or run the data stage without the"
                        + " plugin (spark.plugins)",
                null);
    }

    /** Kryo as the plugin can't use it. */
    public static QLoraException rapidsClasses(boolean strict, String registrators, String wanted) {
        String both = registrators.contains(wanted) ? registrators : (wanted + "," + registrators).replaceAll(",$", "");
        return config(
                122,
                "spark.plugins has the RAPIDS Accelerator, whose batches Kryo can't send: spark.kryo.registrationRequired is "
                        + strict + " and spark.kryo.registrator is "
                        + (registrators.isEmpty() ? "not set" : registrators)
                        + "; set spark.kryo.registrationRequired=false and spark.kryo.registrator=" + both);
    }

    /** A base that executors don't see. */
    public static QLoraException baseNotOnExecutors(String folder, List<String> hosts, String problem) {
        return new QLoraException(
                "QLORA-P076",
                Kind.INPUT,
                "model_name_or_path " + folder + " can be read by the driver but not by the executors on " + hosts
                        + " (" + problem
                        + "); put it under this path on every node, or on a filesystem that all of them mount",
                null);
    }

    /** Another base under the same path. */
    public static QLoraException baseDiffers(String folder, List<String> hosts) {
        return new QLoraException(
                "QLORA-P077",
                Kind.INPUT,
                "model_name_or_path " + folder + " is another base on " + hosts
                        + " than on the driver; copy the same files to every node",
                null);
    }

    /** Executors that went while ranks were training, and did not come back. */
    public static QLoraException slotsLost(int numProcesses, int slots, String reason, long waitedMillis) {
        return new QLoraException(
                "QLORA-P078",
                Kind.RANK_LOST,
                "an executor was lost (" + reason.strip().lines().findFirst().orElse("no reason given")
                        + ") and after " + waitedMillis / 1000 + " s the others have room for " + slots + " of the "
                        + numProcesses
                        + " ranks; nothing that is committed is lost: bring the worker back, and run the same"
                        + " command, which goes on from the last commit",
                null);
    }

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
