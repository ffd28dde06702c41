// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * The Spark job of a chunk. Token rows, and the committed state if need be, are shuffled to the ranks; a barrier stage trains; its rows
 * go through another shuffle. That makes the barrier stage a shuffle-map stage, which Spark retries (it doesn't retry a
 * barrier stage that is a job's last), and lets several writes read the rows without training again.
 */
final class ChunkJob {

    private final JobTables tables;
    private final SparkSession spark;
    private final RankKeys ranks;
    private final TrainingProfile profile;

    ChunkJob(JobTables tables, RankKeys ranks, TrainingProfile profile) {
        this.tables = tables;
        this.spark = tables.spark();
        this.ranks = ranks;
        this.profile = profile;
    }

    /**
     * Trains a chunk; the rows of the result are {@link ChunkRows}.
     *
     * @param resident whether it begins from what is in the executors' memory, or else not at all; the chunk before need not
     *     be committed then
     */
    ChunkResult run(ChunkSpec chunk, boolean resident, StepChannel channel) {
        JavaRDD<Row> state = resident ? none() : stateRows(chunk);
        JavaRDD<ChunkFeed> feed =
                tokenRows(chunk).zipPartitions(state, ChunkJob::feed).zipPartitions(evalRows(chunk), ChunkJob::with);
        ClassTag<Row> rowTag = ClassTag$.MODULE$.apply(Row.class);
        RDD<Row> trained =
                profile.on(feed.rdd().barrier().mapPartitions(new ChunkTask(chunk, resident, channel), true, rowTag));
        Dataset<Row> shuffled = spark.createDataFrame(new JavaRDD<>(trained, rowTag), ChunkRows.SCHEMA)
                .repartition(1);
        return new ChunkResult(tables, chunk, shuffled.javaRDD());
    }

    private static Iterator<ChunkFeed> feed(Iterator<Row> tokenRows, Iterator<Row> stateRows) {
        return List.of(new ChunkFeed(tokenRows, stateRows, Collections.emptyIterator()))
                .iterator();
    }

    private static Iterator<ChunkFeed> with(Iterator<ChunkFeed> feeds, Iterator<Row> evalRows) {
        ChunkFeed feed = feeds.next();
        return List.of(new ChunkFeed(feed.tokenRows(), feed.stateRows(), evalRows))
                .iterator();
    }

    /** The rows that are held out, for rank 0, in their order. */
    private JavaRDD<Row> evalRows(ChunkSpec chunk) {
        if (!chunk.evaluates()) {
            return none();
        }
        Dataset<Row> rows = tables.read(Table.TOKEN_SHARDS)
                .where(col("dataset_id").equalTo(chunk.run().evaluation().datasetId()))
                .select("row_index", "sequence_lengths", "input_ids", "labels")
                .withColumn(RankKeys.COLUMN, lit(ranks.keys()[0]));
        return ranks.partitioned(rows).sortWithinPartitions("row_index").javaRDD();
    }

    /** The rows of the chunk's places, each rank's sorted by place. */
    private JavaRDD<Row> tokenRows(ChunkSpec chunk) {
        StepPlan plan = chunk.run().plan();
        JobConfig config = ConfigJson.read(chunk.run().configJson());
        RankOfPlace rank = new RankOfPlace(RankPlan.of(chunk.run()), ranks.keys());
        DataOrder order = new DataOrder(config.get(TrainingKeys.SEED), plan.rows());
        // as many tasks as the cluster has cores would make these few numbers otherwise
        Dataset<Row> places = spark.range(plan.firstPlace(chunk.startStep()), plan.firstPlace(chunk.endStep()), 1, 1)
                .select(
                        col("id").as("place"),
                        udf(order, DataTypes.LongType).apply(col("id")).as("row_index"),
                        udf(rank, DataTypes.IntegerType).apply(col("id")).as(RankKeys.COLUMN));
        Dataset<Row> rows = tables.read(Table.TOKEN_SHARDS)
                .where(col("dataset_id").equalTo(chunk.run().datasetId()))
                .join(broadcast(places), "row_index")
                .select("place", "row_index", "sequence_lengths", "input_ids", "labels", RankKeys.COLUMN);
        return ranks.partitioned(rows).sortWithinPartitions("place").javaRDD();
    }

    private JavaRDD<Row> none() {
        return new JavaSparkContext(spark.sparkContext()).parallelize(List.of(), ranks.keys().length);
    }

    /** The committed state for each rank: a rank that holds it already leaves its copy unread. */
    private JavaRDD<Row> stateRows(ChunkSpec chunk) {
        if (chunk.startStep() == 0) {
            return none();
        }
        Dataset<Row> state = tables.read(Table.TRAINING_STATE)
                .where(col("run_id")
                        .equalTo(chunk.run().runId())
                        .and(col("chunk").equalTo(chunk.chunk() - 1)))
                .select("name", "dtype", "shape", "data");
        return ranks.forAll(state).javaRDD();
    }
}
