// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.PipelineErrors;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import org.apache.spark.SparkContext;
import org.apache.spark.resource.ResourceProfile;

/**
 * How many tasks can run at once: what Spark compares a barrier stage with, 40 times at 15 s, before it gives up. Executors
 * that are still starting get as long as Spark itself waits for them before its first job
 * ({@code spark.scheduler.maxRegisteredResourcesWaitingTime}, 30 s).
 */
final class Slots {

    private static final String WAIT = "spark.scheduler.maxRegisteredResourcesWaitingTime";
    private static final long PAUSE_MILLIS = 100;

    private Slots() {}

    /** What to say where there are too few. */
    interface TooFew {

        RuntimeException error(int tasks, int slots, long waitedMillis);
    }

    /** The slots that there are now for tasks which ask for what the settings say. */
    static int of(SparkContext spark) {
        return of(spark, spark.resourceProfileManager().defaultResourceProfile());
    }

    /** The slots that there are now for tasks of a profile. */
    static int of(SparkContext spark, ResourceProfile profile) {
        return spark.maxNumConcurrentTasks(profile);
    }

    /** How long executors are waited for; none come to a local master. */
    static long patienceMillis(SparkContext spark) {
        return spark.isLocal() ? 0 : spark.getConf().getTimeAsMs(WAIT, "30s");
    }

    static void require(IntSupplier slots, int tasks, long waitMillis, TooFew tooFew) {
        long start = System.nanoTime();
        int found = slots.getAsInt();
        while (found < tasks) {
            long waited = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            if (waited >= waitMillis) {
                throw tooFew.error(tasks, found, waited);
            }
            pause();
            found = slots.getAsInt();
        }
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw PipelineErrors.interrupted(e);
        }
    }
}
