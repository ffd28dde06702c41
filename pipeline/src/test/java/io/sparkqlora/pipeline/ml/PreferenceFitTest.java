// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import java.nio.file.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Preferences in MLlib's stages, beside the commands on the same rows. */
@Tag("slow")
class PreferenceFitTest {

    @TempDir
    Path dir;

    @Test
    void aFitLearnsFromPairsAsTrainDoes() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 9; i++) {
            rows.append("{\"chosen\":\"What is ").append(i).append("? good\",\"rejected\":\"What is ");
            rows.append(i).append("? bad ").append(i).append("\"}\n");
        }
        Path file = TestJobs.write(dir.resolve("data.jsonl"), rows.toString());
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .set("stage", "dpo")
                .set("max_steps", 2)
                .build();
        SparkQLora commands = SparkQLora.job(job);
        RunResult run = commands.train(TestSpark.session());

        Dataset<Row> tokens = TestStages.tokenizer().setStage("dpo").transform(TestStages.rows(file));
        assertThat(tokens.columns()).contains("input_ids", "labels", "sequence_lengths");
        QLoraEstimator estimator =
                TestStages.estimator(dir.resolve("out")).setStage("dpo").setMaxSteps(2);
        QLoraModel model = estimator.fit(tokens);
        assertThat(model.adapter().tensors())
                .isEqualTo(commands.adapter(TestSpark.session(), run).tensors());

        // the mean loss of the pairs is that of evaluate
        Evaluation evaluation = commands.evaluate(TestSpark.session(), run);
        Row scored = model.transform(tokens)
                .agg(functions.avg("loss"), functions.sum("num_target_tokens"))
                .first();
        assertThat(scored.getDouble(0)).isCloseTo(evaluation.loss(), within(1e-5));
        assertThat(scored.getLong(1)).isEqualTo(evaluation.numTargetTokens());
        assertThatThrownBy(
                        () -> model.copy(new org.apache.spark.ml.param.ParamMap().put(model.generatedCol(), "answer"))
                                .transform(tokens))
                .hasMessageStartingWith("QLORA-P172: generatedCol compares");
        assertThatThrownBy(() -> estimator.fit(tokens.drop("sequence_lengths")))
                .hasMessageContaining("sequenceLengthsCol names 'sequence_lengths'");
    }
}
