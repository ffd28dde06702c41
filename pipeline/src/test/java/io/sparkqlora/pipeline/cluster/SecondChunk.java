// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.StageInfo;
import scala.jdk.javaapi.CollectionConverters;

/** Does something once, at a random moment of a run's second chunk, which takes about as long as its first. */
final class SecondChunk extends SparkListener implements AutoCloseable {

    private final SparkContext spark;
    private final String runId;
    private final Runnable action;
    private final Map<Integer, String> groups = new ConcurrentHashMap<>();
    private long firstMillis;
    private volatile long waitedMillis = -1;
    private volatile CompletableFuture<Void> done;

    private SecondChunk(SparkContext spark, String runId, Runnable action) {
        this.spark = spark;
        this.runId = runId;
        this.action = action;
    }

    /** Watches until it is closed. */
    static SecondChunk of(SparkContext spark, String runId, Runnable action) {
        SecondChunk watch = new SecondChunk(spark, runId, action);
        spark.addSparkListener(watch);
        return watch;
    }

    @Override
    public void onStageSubmitted(SparkListenerStageSubmitted event) {
        if (trains(event.stageInfo())) {
            groups.put(event.stageInfo().stageId(), event.properties().getProperty("spark.jobGroup.id", ""));
        }
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart event) {
        if (done == null && group(1).equals(groups.get(event.stageId()))) {
            waitedMillis = new Random().nextLong(firstMillis);
            done = CompletableFuture.runAsync(
                    action, CompletableFuture.delayedExecutor(waitedMillis, TimeUnit.MILLISECONDS));
        }
    }

    @Override
    public void onStageCompleted(SparkListenerStageCompleted event) {
        StageInfo stage = event.stageInfo();
        if (group(0).equals(groups.get(stage.stageId()))) {
            firstMillis = (Long) stage.completionTime().get()
                    - (Long) stage.submissionTime().get();
        }
    }

    private String group(int chunk) {
        return "spark-qlora run " + runId + " chunk " + chunk;
    }

    private static boolean trains(StageInfo stage) {
        return CollectionConverters.asJava(stage.rddInfos()).stream().anyMatch(rdd -> rdd.isBarrier());
    }

    /** For messages of assertions: when it was done. */
    @Override
    public String toString() {
        return "after " + waitedMillis + " of about " + firstMillis + " ms of the second chunk";
    }

    /** Watches no more; fails if nothing was done, or not without an error. */
    @Override
    public void close() {
        spark.removeSparkListener(this);
        if (done == null) {
            throw new AssertionError("the second chunk of run " + runId + " never began");
        }
        done.join();
    }
}
