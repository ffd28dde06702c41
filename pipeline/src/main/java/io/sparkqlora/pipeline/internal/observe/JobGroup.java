// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.observe;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkContext;

/**
 * What Spark's UI shows of the jobs that this thread starts until it is closed: a group to find them by, and a sentence. What
 * the caller had set is there again afterwards.
 */
public final class JobGroup implements AutoCloseable {

    private static final String PREFIX = "spark-qlora ";
    private static final String GROUP = "spark.jobGroup.id";
    private static final String DESCRIPTION = "spark.job.description";

    private final SparkContext spark;
    private final String id;
    private final Map<String, String> before = new LinkedHashMap<>();

    private JobGroup(SparkContext spark, String group, String description) {
        this.spark = spark;
        this.id = group;
        set(GROUP, group);
        set(DESCRIPTION, description);
    }

    /**
     * Opens a group.
     *
     * @param spark the context
     * @param group shared by all jobs of one piece of work
     * @param description what they do
     */
    public static JobGroup open(SparkContext spark, String group, String description) {
        return new JobGroup(spark, PREFIX + group, description);
    }

    /** Of a chunk of a run: steps from, exclusive, to, inclusive, as people count them. */
    public static JobGroup ofChunk(SparkContext spark, String runId, long chunk, long from, long to, long total) {
        return open(
                spark,
                ofChunk(runId, chunk),
                "run " + runId + ", chunk " + chunk + ": steps " + (from + 1) + " to " + to + " of " + total);
    }

    private static String ofChunk(String runId, long chunk) {
        return "run " + runId + " chunk " + chunk;
    }

    /** Spark's name of the group of a chunk's jobs. */
    public static String idOfChunk(String runId, long chunk) {
        return PREFIX + ofChunk(runId, chunk);
    }

    /** Spark's name of the group. */
    public String id() {
        return id;
    }

    private void set(String key, String value) {
        before.put(key, spark.getLocalProperty(key));
        spark.setLocalProperty(key, value);
    }

    @Override
    public void close() {
        before.forEach(spark::setLocalProperty);
    }
}
