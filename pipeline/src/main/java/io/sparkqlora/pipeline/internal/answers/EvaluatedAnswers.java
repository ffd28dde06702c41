// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.posexplode;
import static org.apache.spark.sql.functions.udf;

import io.sparkqlora.pipeline.AnswerScores;
import io.sparkqlora.pipeline.DataErrors;
import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.ml.Scoring;
import io.sparkqlora.pipeline.internal.tables.Table;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;

/**
 * An adapter's greedy answers to the rows of an evaluation. Of each sequence the prompt is what stands before the last tokens that
 * count, and those are what is expected.
 */
public final class EvaluatedAnswers {

    private EvaluatedAnswers() {}

    /**
     * Answers every sequence, and writes a row for each.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P137 if no sequence has a prompt
     */
    public static AnswerScores run(Workspace work, AdapterChoice choice, Evaluation evaluation, int maxNewTokens) {
        Dataset<Row> answered = Scoring.answers(
                        Predictions.onDevice(work, choice), sequences(work, choice, evaluation), maxNewTokens)
                .withColumn(
                        "scores", udf(new ScoreAnswers(), ScoreAnswers.TYPE).apply(col("reference"), col("prediction")))
                .select("*", "scores.*")
                .persist(StorageLevel.MEMORY_AND_DISK());
        try {
            AnswerScores scores = scores(answered, evaluation);
            Dataset<Row> rows = answered.withColumn("dataset_id", lit(evaluation.datasetId()));
            Predictions.append(work, choice, evaluation.dataset(), rows);
            return scores;
        } finally {
            answered.unpersist();
        }
    }

    /** The sequences of packed rows, each a row, in their order: batches are the same whenever it is asked. */
    private static Dataset<Row> sequences(Workspace work, AdapterChoice choice, Evaluation evaluation) {
        Dataset<Row> rows =
                work.tables().read(Table.TOKEN_SHARDS).where(col("dataset_id").equalTo(evaluation.datasetId()));
        Dataset<Row> ofGroup = choice.group() == null
                ? rows
                : rows.where(col("group_key").isNull().or(col("group_key").equalTo(choice.group())));
        return ofGroup.select(col("*"), posexplode(col("sequence_lengths")).as(new String[] {"sequence", "length"}))
                .withColumn("start", expr("aggregate(slice(sequence_lengths, 1, sequence), 0, (a, b) -> a + b)"))
                .select(
                        col("row_index"),
                        col("sequence"),
                        expr("slice(input_ids, start + 1, length)").as("input_ids"),
                        expr("slice(labels, start + 1, length)").as("labels"))
                .repartition(1)
                .sortWithinPartitions("row_index", "sequence");
    }

    private static AnswerScores scores(Dataset<Row> answered, Evaluation evaluation) {
        Row means = answered.agg(
                        avg(col("exact_match").cast("double")),
                        avg("rouge1"),
                        avg("rouge2"),
                        avg("rougeL"),
                        count("prediction"))
                .first();
        if (means.getLong(4) == 0) {
            throw DataErrors.nothingToAnswer(evaluation.dataset());
        }
        return new AnswerScores(
                means.getDouble(0), means.getDouble(1), means.getDouble(2), means.getDouble(3), means.getLong(4));
    }
}
