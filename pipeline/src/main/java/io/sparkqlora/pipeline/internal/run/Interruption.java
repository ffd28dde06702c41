// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.PipelineErrors;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.hadoop.util.ShutdownHookManager;
import org.apache.spark.SparkContext;

/**
 * What happens to runs when a signal ends the process (Ctrl-C, or a cluster manager's SIGTERM): their Spark jobs are
 * cancelled, and there is time to record that the run was interrupted before Spark goes down. What was committed stays; what
 * was not is trained again by the same command.
 */
public final class Interruption implements AutoCloseable {

    /** Hadoop runs hooks of higher priority first; Spark's own, which stop the context, are below 60. */
    private static final int BEFORE_SPARK_STOPS = 100;

    private static final long LONGEST_MILLIS = 20_000;
    private static final long AGAIN_MILLIS = 100;

    private static final Thread NEVER_ADDED = new Thread(() -> {});

    private static final Set<Interruption> RUNNING = new HashSet<>();
    /** Job groups that are not cancelled. */
    private static final Set<String> SPARED = ConcurrentHashMap.newKeySet();

    private static boolean hooked;
    private static volatile boolean requested;
    private static volatile QLoraException outcome = PipelineErrors.interrupted();

    private final SparkContext context;
    private boolean stopping;

    private Interruption(SparkContext context) {
        this.context = context;
    }

    /** Registers a run, until it is closed. */
    static Interruption guard(SparkContext context) {
        synchronized (RUNNING) {
            if (!hooked) {
                hooked = true;
                ShutdownHookManager.get()
                        .addShutdownHook(
                                Interruption::stopRuns, BEFORE_SPARK_STOPS, LONGEST_MILLIS, TimeUnit.MILLISECONDS);
            }
            Interruption run = new Interruption(context);
            RUNNING.add(run);
            return run;
        }
    }

    /** Whether a signal is ending the process: what fails from then on fails because Spark is going down under it. */
    public static boolean processEnds() {
        try {
            return Runtime.getRuntime().removeShutdownHook(NEVER_ADDED);
        } catch (IllegalStateException e) {
            return true;
        }
    }

    /** Whether the process is ending while runs are under way. */
    public static boolean requested() {
        return requested;
    }

    /** Cancels again and again, as a run may be between two jobs, until it is about to write down that it was stopped. */
    private static void stopRuns() {
        requested = true;
        await(AGAIN_MILLIS, () -> RUNNING.stream().filter(run -> !run.stopping).forEach(run -> cancel(run.context)));
    }

    private static void cancel(SparkContext context) {
        Set<Integer> spared = SPARED.stream()
                .flatMapToInt(group -> Arrays.stream(context.statusTracker().getJobIdsForGroup(group)))
                .boxed()
                .collect(Collectors.toSet());
        Arrays.stream(context.statusTracker().getActiveJobIds())
                .filter(job -> !spared.contains(job))
                .forEach(context::cancelJob);
    }

    /** Does work whose jobs are left to end: a commit takes no longer than what would have to be trained again. */
    static void spare(String jobGroup, Runnable work) {
        SPARED.add(jobGroup);
        try {
            work.run();
        } finally {
            SPARED.remove(jobGroup);
        }
    }

    /** The run knows; none of its jobs is cancelled from now on. Gives what is told of it. */
    QLoraException stopped(String runId, long committedStep) {
        synchronized (RUNNING) {
            stopping = true;
            outcome = PipelineErrors.runInterrupted(runId, committedStep);
            return outcome;
        }
    }

    /** Waits until no run is under way, for some seconds at most; gives what is to be told. */
    public static QLoraException outcome() {
        await(LONGEST_MILLIS, () -> {});
        return outcome;
    }

    private static void await(long pauseMillis, Runnable meanwhile) {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LONGEST_MILLIS);
        synchronized (RUNNING) {
            try {
                while (!RUNNING.isEmpty() && System.nanoTime() < end) {
                    meanwhile.run();
                    RUNNING.wait(pauseMillis);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** The run is over, however it ended. */
    @Override
    public void close() {
        synchronized (RUNNING) {
            RUNNING.remove(this);
            RUNNING.notifyAll();
        }
    }
}
