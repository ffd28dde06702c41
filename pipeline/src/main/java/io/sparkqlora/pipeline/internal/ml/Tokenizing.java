// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.TokenizeSettings;
import io.sparkqlora.pipeline.internal.job.PreferenceChecks;
import io.sparkqlora.pipeline.ml.ChatTokenizer;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.tokenize.TokenColumns;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.param.Param;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/** What {@link ChatTokenizer} does. */
public final class Tokenizing {

    private Tokenizing() {}

    /** The rows with their tokens. */
    public static Dataset<Row> apply(ChatTokenizer stage, Dataset<?> dataset) {
        outputSchema(stage, dataset.schema());
        Dataset<Row> rows = dataset.toDF();
        String tokens = stage.uid() + "_tokens";
        Dataset<Row> tokenized = rows.withColumn(tokens, column(stage, rows));
        for (Map.Entry<String, Param<String>> output : outputs(stage).entrySet()) {
            tokenized = tokenized.withColumn(
                    stage.getOrDefault(output.getValue()), col(tokens).getField(output.getKey()));
        }
        return tokenized.drop(tokens);
    }

    private static Column column(ChatTokenizer stage, Dataset<Row> rows) {
        JobConfig job = job(stage);
        try (TextTokenizer tokenizer = TextTokenizer.open(BaseFolder.of(job, BasePart.TOKENIZER))) {
            return TokenColumns.of(rows, tokenizer, TokenizeSettings.of(job), prompts(stage));
        }
    }

    /**
     * The columns that come out.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P110 without a tokenizer, QLORA-D052, D053, D060 if the columns that go in
     *     don't fit, QLORA-P113 if one that is to be added is there
     */
    public static StructType outputSchema(ChatTokenizer stage, StructType schema) {
        KeyParams.require(stage, List.of(stage.modelNameOrPath()));
        Dataset<Row> none = SparkSession.active().createDataFrame(List.of(), schema);
        TokenColumns.check(none, options(stage), prompts(stage));
        StructType out = schema;
        for (Map.Entry<String, Param<String>> output : outputs(stage).entrySet()) {
            out = TokenInput.added(
                    stage.uid(),
                    out,
                    output.getValue(),
                    stage.getOrDefault(output.getValue()),
                    TokenColumns.PAIR_TYPE.apply(output.getKey()).dataType());
        }
        return out;
    }

    /** The params that name columns to be added, by the fields of {@link TokenColumns#PAIR_TYPE} that they get. */
    private static Map<String, Param<String>> outputs(ChatTokenizer stage) {
        Map<String, Param<String>> outputs = new LinkedHashMap<>();
        outputs.put("input_ids", stage.inputIdsCol());
        outputs.put("labels", stage.labelsCol());
        if (options(stage).preference() && !prompts(stage)) {
            outputs.put("sequence_lengths", stage.sequenceLengthsCol());
        }
        if (!stage.getOrDefault(stage.rejectionCol()).isEmpty()) {
            outputs.put("rejection", stage.rejectionCol());
        }
        return outputs;
    }

    private static boolean prompts(ChatTokenizer stage) {
        return (Boolean) stage.getOrDefault(stage.addGenerationPrompt());
    }

    private static TokenizeOptions options(ChatTokenizer stage) {
        return TokenizeSettings.of(job(stage));
    }

    private static JobConfig job(ChatTokenizer stage) {
        JobConfigBuilder job =
                JobConfig.builder().set(DataKeys.DATASET, TokenInput.SOURCE).set(RunKeys.OUTPUT_DIR, TokenInput.SOURCE);
        stage.keyParams().copyTo(stage, job);
        JobConfig config = job.build();
        PreferenceChecks.check(config);
        return config;
    }
}
