// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.run.RankKeys;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The Spark job of a wave. The groups' token rows are shuffled to the tasks, each task's in the order of its groups; what a task
 * gives goes through another shuffle as it comes, so that several writes read it without training again.
 */
final class WaveJob {

    private static final String PLACE = "place";
    private static final StructType PLACES = new StructType()
            .add("group_key", DataTypes.StringType, false)
            .add(RankKeys.COLUMN, DataTypes.IntegerType, false)
            .add(PLACE, DataTypes.IntegerType, false);

    private final JobTables tables;
    private final SparkSession spark;
    private final GroupRunSpec run;
    private final TrainingProfile profile;

    WaveJob(JobTables tables, GroupRunSpec run, TrainingProfile profile) {
        this.tables = tables;
        this.spark = tables.spark();
        this.run = run;
        this.profile = profile;
    }

    /** Trains a wave; {@code last}: the base is not needed afterwards. */
    WaveResult run(Wave wave, boolean last, GroupChannel channel) {
        RankKeys keys = RankKeys.of(spark, wave.tasks().size());
        JavaRDD<Row> trained = profile.on(
                tokenRows(wave, keys).zipPartitions(work(wave), new WaveTask(run, wave.number(), last, channel)));
        Dataset<Row> shuffled = spark.createDataFrame(trained, WaveRows.SCHEMA)
                .repartition(wave.tasks().size(), col("task"));
        return new WaveResult(tables, run.runId(), wave.number(), shuffled.javaRDD());
    }

    private JavaRDD<Row> tokenRows(Wave wave, RankKeys keys) {
        Dataset<Row> places = broadcast(spark.createDataFrame(places(wave, keys.keys()), PLACES));
        Dataset<Row> rows = rows(run.datasetId(), places, false);
        if (run.evaluation().any()) {
            rows = rows.union(rows(run.evaluation().datasetId(), places, true));
        }
        return keys.partitioned(rows)
                .sortWithinPartitions(PLACE, GroupFeed.HELD_OUT, "row_index")
                .javaRDD();
    }

    private Dataset<Row> rows(String datasetId, Dataset<Row> places, boolean heldOut) {
        return tables.read(Table.TOKEN_SHARDS)
                .where(col("dataset_id").equalTo(datasetId))
                .join(places, "group_key")
                .withColumn(GroupFeed.HELD_OUT, lit(heldOut))
                .select(
                        "group_key",
                        GroupFeed.HELD_OUT,
                        "row_index",
                        "sequence_lengths",
                        "input_ids",
                        "labels",
                        PLACE,
                        RankKeys.COLUMN);
    }

    /** Which task a group's rows go to, and when their turn is there. */
    private static List<Row> places(Wave wave, int[] keys) {
        List<Row> rows = new ArrayList<>();
        for (int task = 0; task < keys.length; task++) {
            List<GroupWork> groups = wave.tasks().get(task);
            for (int place = 0; place < groups.size(); place++) {
                rows.add(RowFactory.create(groups.get(place).key(), keys[task], place));
            }
        }
        return rows;
    }

    /** Each task's groups: one text a partition. */
    private JavaRDD<String> work(Wave wave) {
        List<String> texts = wave.tasks().stream().map(GroupWork::texts).toList();
        return new JavaSparkContext(spark.sparkContext()).parallelize(texts, texts.size());
    }
}
