// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.size;
import static org.apache.spark.sql.functions.xxhash64;

import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The queries of the job, each a step from source text to token shards.
 *
 * <p>The rows that come out are a function of the rows that go in and the options, whatever files, partitions or executors
 * they came through. Sequences are therefore not taken in the order of reading: they fall into windows by a hash of their
 * content, are ordered within a window by that hash, and are packed within it. How many windows there are follows from the
 * number of tokens; each group has its own (see {@link PackPlan}). Copies of one sequence (which users make on purpose, to weigh it more) are numbered first and the
 * number is hashed along with the content, so that they end up in different windows rather than in one packed row.
 */
final class TokenizeJob {

    /** Rows of the full length that a window should give, so that its last, half-empty row weighs little. */
    private static final long WINDOW_ROWS = 128;

    private static final long WINDOW_TOKENS = 1L << 20;

    private static final String COPY = "copy";
    private static final String PLACE = "place";
    private static final String WINDOW = "window";
    private static final String FIRST_INDEX = "first_index";

    private static final StructType FIRST_INDICES = new StructType()
            .add(WINDOW, DataTypes.IntegerType, false)
            .add(FIRST_INDEX, DataTypes.LongType, false)
            .add(TokenizedRows.GROUP, DataTypes.StringType)
            .add(TokenizedRows.HYPERPARAMETERS, DataTypes.StringType);

    private final SparkSession spark;
    private final TokenizeOptions options;
    private final long windowTokens;

    /** @param windowTokens about how many tokens a window has; whoever changes it gets other rows */
    TokenizeJob(SparkSession spark, TokenizeOptions options, long windowTokens) {
        this.spark = spark;
        this.options = options;
        this.windowTokens = windowTokens;
    }

    /** How many tokens a window has unless a test wants many windows of little data. */
    static long windowTokens(TokenizeOptions options) {
        return Math.max(WINDOW_TOKENS, WINDOW_ROWS * options.rowCapacity());
    }

    /** Tokenises source text; rejected rows are among the rows that come out. */
    Dataset<Row> tokenize(Dataset<Row> text, RowShape shape, RowShare share, ExampleTokenizer.Source tokenizers) {
        return text.mapPartitions(
                new TokenizeRows(shape, share, options.wrapped(), tokenizers), Encoders.row(TokenizedRows.SCHEMA));
    }

    /** The windows of sequences. */
    PackPlan plan(TokenizeCounts counts) {
        return PackPlan.of(counts, windowTokens);
    }

    /** Packs the sequences among tokenised rows. */
    Dataset<Row> pack(Dataset<Row> tokenized, PackPlan plan) {
        int windows = plan.windows();
        Column[] key = {col(TokenizedRows.KEY_0), col(TokenizedRows.KEY_1)};
        Column[] copies = plan.grouped() ? new Column[] {key[0], key[1], col(TokenizedRows.GROUP)} : key;
        Dataset<Row> placed = tokenized
                .where(col(TokenizedRows.REASON).isNull())
                .repartition(partitions(windows), key)
                .withColumn(COPY, row_number().over(Window.partitionBy(copies).orderBy(key)))
                .withColumn(PLACE, xxhash64(key[0], key[1], col(COPY)));
        return plan.withWindows(spark, placed, col(PLACE), WINDOW)
                .repartition(partitions(windows), Spread.evenly(WINDOW, partitions(windows)))
                .sortWithinPartitions(col(WINDOW), col(PLACE), key[0], key[1], col(COPY))
                .select(WINDOW, TokenizedRows.NUM_TOKENS, TokenizedRows.TOKENS, TokenizedRows.FIRST_TOKENS)
                .mapPartitions(
                        new PackWindows(options.rowCapacity(), options.packing() ? options.packingStrategy() : null),
                        Encoders.bean(ShardRow.class))
                .toDF();
    }

    /** Enough partitions for the cores, no more than the session wants of a shuffle. */
    private int partitions(int windows) {
        int cores = spark.sparkContext().defaultParallelism();
        return Math.min(
                Math.max(cores, windows),
                Math.max(cores, spark.sessionState().conf().numShufflePartitions()));
    }

    /** How many packed rows each window has and the tokens of its longest, in the order of windows. */
    List<Row> rowsOfWindows(Dataset<Row> packed) {
        // one small row a window, that is, one a million tokens: sorting them here saves two of Spark's jobs
        return packed.groupBy(WINDOW).agg(count(lit(1)), max(size(col("inputIds")))).collectAsList().stream()
                .sorted(Comparator.comparingInt((Row window) -> window.getInt(0)))
                .toList();
    }

    /** Numbers the packed rows 0…n−1, window after window, and gives them the columns of token shards. */
    Dataset<Row> shards(Dataset<Row> packed, List<Row> rowsOfWindows, WindowGroups groups, String datasetId) {
        List<Row> firstIndices = new ArrayList<>(rowsOfWindows.size());
        long next = 0;
        for (Row window : rowsOfWindows) {
            int number = window.getInt(0);
            firstIndices.add(RowFactory.create(number, next, groups.key(number), groups.hyperparameters(number)));
            next += window.getLong(1);
        }
        Dataset<Row> offsets = spark.createDataFrame(firstIndices, FIRST_INDICES);
        Column pairs = options.preference()
                ? size(col("sequenceLengths")).divide(2).cast(DataTypes.IntegerType)
                : lit(null).cast(DataTypes.IntegerType);
        return packed.join(broadcast(offsets), WINDOW)
                .select(
                        lit(datasetId).as("dataset_id"),
                        col(FIRST_INDEX).plus(col("position")).as("row_index"),
                        size(col("inputIds")).as("num_tokens"),
                        col("numTargetTokens").as("num_target_tokens"),
                        size(col("sequenceLengths")).as("num_sequences"),
                        col(TokenizedRows.GROUP),
                        col(TokenizedRows.HYPERPARAMETERS),
                        col("sequenceLengths").as("sequence_lengths"),
                        col("inputIds").as("input_ids"),
                        col("labels").as("labels"),
                        pairs.as("num_pairs"));
    }

    /** The rejected rows among tokenised ones. */
    static Dataset<Row> rejected(Dataset<Row> tokenized, String datasetId) {
        return tokenized
                .where(col(TokenizedRows.REASON).isNotNull())
                .select(
                        lit(datasetId).as("dataset_id"),
                        col(TokenizedRows.SOURCE_ROW),
                        col(TokenizedRows.REASON),
                        col(TokenizedRows.DETAIL),
                        col(TokenizedRows.GROUP));
    }
}
