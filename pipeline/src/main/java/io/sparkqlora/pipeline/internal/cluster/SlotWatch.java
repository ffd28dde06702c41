// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ClusterErrors;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;

/**
 * Ends work whose executors are gone and don't come back. Spark compares a barrier stage with its slots when a job is
 * submitted; a stage that it tries again afterwards waits for slots without an end. A lost executor gets as long to be
 * replaced as executors get to come ({@link Slots#patienceMillis}).
 */
public final class SlotWatch extends SparkListener implements AutoCloseable {

    private final SparkContext spark;
    private final String jobGroup;
    private final TrainingProfile profile;
    private final int numProcesses;
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work, "qlora-slots");
        thread.setDaemon(true);
        return thread;
    });
    private volatile QLoraException lost;

    private SlotWatch(SparkContext spark, String jobGroup, TrainingProfile profile, int numProcesses) {
        this.spark = spark;
        this.jobGroup = jobGroup;
        this.profile = profile;
        this.numProcesses = numProcesses;
    }

    /**
     * Watches until it is closed.
     *
     * @param spark the context
     * @param jobGroup whose jobs are cancelled
     * @param profile of the tasks
     * @param numProcesses tasks that must be able to run side by side
     */
    public static SlotWatch open(SparkContext spark, String jobGroup, TrainingProfile profile, int numProcesses) {
        SlotWatch watch = new SlotWatch(spark, jobGroup, profile, numProcesses);
        spark.addSparkListener(watch);
        return watch;
    }

    /**
     * Does the group's work.
     *
     * @throws QLoraException RANK_LOST if it was ended for want of slots; else what the work throws
     */
    public <T> T during(Supplier<T> work) {
        try {
            return work.get();
        } catch (Exception e) {
            // Scala throws checked exceptions without saying so
            if (lost == null) {
                throw e;
            }
            lost.addSuppressed(e);
            throw lost;
        }
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved event) {
        long patience = Slots.patienceMillis(spark);
        timer.schedule(() -> compare(event.reason(), patience), patience, TimeUnit.MILLISECONDS);
    }

    private void compare(String reason, long waitedMillis) {
        int slots = profile.slots();
        if (slots < numProcesses) {
            lost = ClusterErrors.slotsLost(numProcesses, slots, reason, waitedMillis);
            spark.cancelJobGroup(jobGroup);
        }
    }

    @Override
    public void close() {
        spark.removeSparkListener(this);
        timer.shutdownNow();
    }
}
