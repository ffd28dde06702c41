// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.train.GenerationConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tokenizer and estimator in a pipeline, beside the commands on the same rows. */
class QLoraPipelineTest {

    private static final int TOKENS = 6;

    @TempDir
    Path dir;

    private final SparkSession spark = TestSpark.session();

    @Test
    void aPipelineTrainsAnswersAndIsReadBackAsTheCommandsDo() throws IOException {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 9);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .build();
        SparkQLora commands = SparkQLora.job(job);
        RunResult run = commands.train(spark);

        Dataset<Row> rows = TestStages.rows(file).repartition(3).cache();
        ChatTokenizer tokenizer = TestStages.tokenizer();
        QLoraEstimator estimator = TestStages.estimator(dir.resolve("out"));
        PipelineModel model = TestStages.pipeline(tokenizer, estimator).fit(rows);
        QLoraModel fitted = TestStages.last(model);
        assertThat(fitted.adapter().tensors())
                .isEqualTo(commands.adapter(spark, run).tensors());
        assertThat(fitted.parent()).isNotNull();
        assertThat(fitted.copy(ParamMap.empty()).parent()).isSameAs(fitted.parent());
        assertThat(fitted.uid()).isEqualTo(estimator.uid());
        assertThat(fitted.runId()).isNotEqualTo(run.runId());

        // the loss of all rows is that of evaluate, whose rows are packed
        Dataset<Row> scored = model.transform(rows).orderBy("input_ids").cache();
        Evaluation evaluation = commands.evaluate(spark, run);
        assertThat(scored.agg(functions.sum("num_target_tokens")).first().getLong(0))
                .isEqualTo(evaluation.numTargetTokens());
        assertThat(new PerplexityEvaluator().evaluate(scored)).isCloseTo(evaluation.perplexity(), within(1e-4));

        // prompts, and rows whose answer is known, are continued as generate does
        List<String> questions = rows.select(col("messages").getItem(0).getField("content")).collectAsList().stream()
                .map(row -> row.getString(0))
                .toList();
        List<String> answers = commands.generate(fitted.adapter(), questions, GenerationConfig.greedy(TOKENS));
        ParamMap asked = new ParamMap()
                .put(estimator.lossCol(), "")
                .put(estimator.generatedCol(), "answer")
                .put(estimator.maxNewTokens(), TOKENS);
        assertThat(answers(model.transform(rows, asked))).isEqualTo(answers);
        Dataset<Row> open = rows.withColumn("messages", functions.slice(col("messages"), 1, 1));
        assertThat(answers(model.transform(open, asked.put(tokenizer.addGenerationPrompt(), true))))
                .isEqualTo(answers);

        model.write().save(dir.resolve("model").toString());
        PipelineModel read = PipelineModel.load(dir.resolve("model").toString());
        assertThat(TestStages.last(read).adapter()).isEqualTo(fitted.adapter());
        assertThat(TestStages.last(read).extractParamMap().toString())
                .isEqualTo(fitted.extractParamMap().toString());
        assertThat(read.transform(rows).orderBy("input_ids").collectAsList()).isEqualTo(scored.collectAsList());
        scored.unpersist();
        rows.unpersist();
    }

    private static List<String> answers(Dataset<Row> rows) {
        return rows.select("answer").collectAsList().stream()
                .map(row -> row.getString(0))
                .toList();
    }
}
