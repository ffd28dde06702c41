// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiConsumer;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.scheduler.StageInfo;
import scala.jdk.javaapi.CollectionConverters;

/** Watches the stages in which runs train: how long they took, and when one begins. */
public final class BarrierStages extends SparkListener {

    private final Map<Integer, String> groups = new ConcurrentHashMap<>();
    private final List<Long> durations = new CopyOnWriteArrayList<>();
    private final BiConsumer<BarrierStages, String> onStart;

    /**
     * A watcher.
     *
     * @param onStart is told the job group of each task of such a stage when it begins, retries among them
     */
    public BarrierStages(BiConsumer<BarrierStages, String> onStart) {
        this.onStart = onStart;
    }

    /** Milliseconds of the shortest one that succeeded. */
    public long shortestMillis() {
        return durations.stream().mapToLong(Long::longValue).min().orElseThrow();
    }

    @Override
    public void onStageSubmitted(SparkListenerStageSubmitted event) {
        if (trains(event.stageInfo())) {
            groups.put(event.stageInfo().stageId(), event.properties().getProperty("spark.jobGroup.id", ""));
        }
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart event) {
        if (groups.containsKey(event.stageId())) {
            onStart.accept(this, groups.get(event.stageId()));
        }
    }

    @Override
    public void onStageCompleted(SparkListenerStageCompleted event) {
        StageInfo stage = event.stageInfo();
        if (trains(stage) && stage.failureReason().isEmpty()) {
            durations.add((Long) stage.completionTime().get()
                    - (Long) stage.submissionTime().get());
        }
    }

    private static boolean trains(StageInfo stage) {
        return CollectionConverters.asJava(stage.rddInfos()).stream().anyMatch(rdd -> rdd.isBarrier());
    }
}
