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

/** Does something once, in a run's second chunk. */
final class SecondChunk extends SparkListener implements AutoCloseable {

    private final SparkContext spark;
    private final String runId;
    private final Runnable action;
    private final boolean atOnce;
    private final Map<Integer, String> groups = new ConcurrentHashMap<>();
    private long firstMillis;
    private volatile long waitedMillis = -1;
    private volatile CompletableFuture<Void> done;

    private SecondChunk(SparkContext spark, String runId, Runnable action, boolean atOnce) {
        this.spark = spark;
        this.runId = runId;
        this.action = action;
        this.atOnce = atOnce;
    }

    /** At a random moment: in half the time that the first chunk took, since that one made the session too. */
    static SecondChunk of(SparkContext spark, String runId, Runnable action) {
        return new SecondChunk(spark, runId, action, false).watching();
    }

    /** When it begins. */
    static SecondChunk beginning(SparkContext spark, String runId, Runnable action) {
        return new SecondChunk(spark, runId, action, true).watching();
    }

    /** Until it is closed. */
    private SecondChunk watching() {
        spark.addSparkListener(this);
        return this;
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
            waitedMillis = atOnce ? 0 : new Random().nextLong(Math.max(1, firstMillis / 2));
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
