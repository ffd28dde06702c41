// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.rdd.RDD;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.ResourceProfileManager;
import org.apache.spark.resource.TaskResourceRequests;

/**
 * What a task that computes on a device asks Spark for. Where executors have GPUs and tasks don't ask for whole ones, the stages
 * that need a GPU do: each of their tasks asks for one of its own, and for {@code spark.task.cpus} cores like any other. So data
 * stages have all cores, and a commit has slots beside the ranks.
 *
 * <p>Such a profile has requests of tasks alone, which Spark grants on the executors that there are, but not where executors come
 * and go: there, as on other cluster managers and local masters, tasks ask for what the settings say.
 */
public final class TrainingProfile {

    private static final String CPU = "cpu";
    private static final String GPU = "gpu";
    private static final String EXECUTOR_GPUS = "spark.executor.resource.gpu.amount";
    private static final String TASK_GPUS = "spark.task.resource.gpu.amount";
    private static final Pattern MANAGERS = Pattern.compile("spark://.*|local-cluster.*|k8s://.*|yarn");

    private final SparkContext spark;
    /** Null where tasks ask for what the settings say. */
    private final ResourceProfile profile;

    private TrainingProfile(SparkContext spark, ResourceProfile profile) {
        this.spark = spark;
        this.profile = profile;
    }

    /**
     * The profile of a job's stages on a device.
     *
     * @param backend auto, cpu or cuda; where Spark has given a GPU, auto is cuda
     */
    public static TrainingProfile of(SparkContext spark, String backend) {
        return new TrainingProfile(spark, wanted(spark.getConf(), backend) ? registered(spark) : null);
    }

    /** Whether stages ask for GPUs by themselves. */
    static boolean wanted(SparkConf conf, String backend) {
        return !backend.equals(CPU)
                && conf.getDouble(EXECUTOR_GPUS, 0) >= 1
                && tasksGpus(conf) < 1
                && !conf.getBoolean("spark.dynamicAllocation.enabled", false)
                && MANAGERS.matcher(conf.get("spark.master", "")).matches();
    }

    /** What the settings say of tasks. */
    static double tasksGpus(SparkConf conf) {
        return conf.getDouble(TASK_GPUS, 0);
    }

    /** Spark keeps every profile that it is told of. */
    private static ResourceProfile registered(SparkContext spark) {
        ResourceProfile asked = new ResourceProfileBuilder()
                .require(new TaskResourceRequests().resource(GPU, 1))
                .build();
        ResourceProfileManager known = spark.resourceProfileManager();
        return known.getEquivalentProfile(asked).getOrElse(() -> {
            known.addResourceProfile(asked);
            return asked;
        });
    }

    /** Rows whose stage has this profile. */
    public <T> JavaRDD<T> on(JavaRDD<T> rows) {
        on(rows.rdd());
        return rows;
    }

    /** As {@link #on(JavaRDD)}. */
    public <T> RDD<T> on(RDD<T> rows) {
        return profile == null ? rows : rows.withResources(profile);
    }

    /** How many tasks of it can run at once. */
    public int slots() {
        return profile == null ? Slots.of(spark) : Slots.of(spark, profile);
    }

    /**
     * Waits for executors.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if there are too few for so many tasks of it
     */
    void require(int tasks) {
        Slots.require(this::slots, tasks, Slots.patienceMillis(spark), this::tooFew);
    }

    private RuntimeException tooFew(int tasks, int slots, long waitedMillis) {
        return profile == null
                ? ClusterErrors.tooFewSlots(tasks, slots, spark.master(), waitedMillis)
                : ClusterErrors.tooFewGpus(
                        tasks, slots, spark.master(), spark.getConf().get(EXECUTOR_GPUS), waitedMillis);
    }

    /**
     * Whether there is a slot for a task of another stage while so many of this profile run. Tasks that ask for a part of a GPU need
     * one that is nobody's.
     */
    public boolean leavesRoomBeside(int tasks) {
        boolean anyGpu = profile == null || tasksGpus(spark.getConf()) == 0;
        return Slots.of(spark) > tasks && (anyGpu || slots() > tasks);
    }
}
