// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.trim;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.cluster.ClusterPreflight;
import io.sparkqlora.pipeline.internal.data.TokenizeSettings;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.JobInputs;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.ml.Scoring;
import io.sparkqlora.tokenize.DataSource;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.tokenize.TokenColumns;
import io.sparkqlora.tokenize.TokenizeOptions;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;

/** An adapter's greedy answers to a table of prompts, on the executors. */
public final class PromptTable {

    private PromptTable() {}

    /**
     * What became of the rows.
     *
     * @param answered rows with an answer
     * @param rejected rows that are no prompt, or too long a one; why is in their row
     */
    public record Answered(long answered, long rejected) {}

    /**
     * Answers every row of a source and writes a row for each.
     *
     * @param source path or table, read as the job's {@code dataset} is
     */
    public static Answered run(Workspace work, AdapterChoice chosen, String source, int maxNewTokens) {
        JobConfig config = work.config();
        ClusterPreflight.checkBase(work.spark().sparkContext(), JobInputs.check(chosen), chosen.config());
        AdapterChoice choice = Predictions.onDevice(work, chosen);
        SourceRows rows =
                DataSource.of(source, config.get(DataKeys.DATASET_FORMAT)).read(work.spark());
        Dataset<Row> answered = Scoring.answers(
                        choice, prompts(work.withBaseOf(chosen.config()).config(), rows), maxNewTokens)
                .persist(StorageLevel.MEMORY_AND_DISK());
        try {
            Row counts = answered.agg(count("prediction"), count(lit(1))).first();
            Predictions.append(work, choice, source, answered);
            return new Answered(counts.getLong(0), counts.getLong(1) - counts.getLong(0));
        } finally {
            answered.unpersist();
        }
    }

    private static Dataset<Row> prompts(JobConfig config, SourceRows rows) {
        TokenizeOptions options = TokenizeSettings.of(config);
        try (TextTokenizer tokenizer = TextTokenizer.open(BaseFolder.of(config, BasePart.TOKENIZER))) {
            Column tokens = TokenColumns.of(rows, tokenizer, options, true);
            Dataset<Row> all = rows.jsonText()
                    ? rows.rows().where(trim(col(rows.rows().columns()[0])).notEqual(""))
                    : rows.rows();
            return all.select(tokens.as("tokens"))
                    .select(col("tokens.input_ids"), col("tokens.labels"), col("tokens.rejection"));
        }
    }
}
