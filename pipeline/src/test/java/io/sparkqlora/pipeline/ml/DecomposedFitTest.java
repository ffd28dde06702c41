// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.train.InitLoraWeights;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A base that is taken apart, in MLlib's stages, beside the commands on the same rows. */
@Tag("slow")
class DecomposedFitTest {

    @TempDir
    Path dir;

    @Test
    void aFitBeginsAsTrainDoesAndItsModelKnowsItsBase() throws IOException {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 12);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .set("init_lora_weights", "loftq")
                .set("save_steps", 5)
                .set("run_id", "by-command")
                .build();
        JobConfig twice =
                job.toBuilder().set("loftq_config", Map.of("loftq_iter", 2)).build();
        SparkQLora commands = SparkQLora.job(twice);
        RunResult run = commands.train(TestSpark.session());

        Dataset<Row> tokens = TestStages.tokenizer().transform(TestStages.rows(file));
        QLoraEstimator estimator = TestStages.estimator(dir.resolve("out"))
                .setInitLoraWeights("loftq")
                .setLoftqConfig("{loftq_iter: 2}");
        QLoraModel model = estimator.fit(tokens);
        assertThat(model.adapter().config().initLoraWeights()).isEqualTo(InitLoraWeights.named("loftq", 2));
        assertThat(model.adapter().tensors())
                .isEqualTo(commands.adapter(TestSpark.session(), run).tensors());

        Evaluation evaluation = commands.evaluate(TestSpark.session(), run);
        assertThat(loss(model, tokens)).isCloseTo(evaluation.loss(), within(1e-5));
        Path saved = dir.resolve("model");
        model.write().save(saved.toString());
        QLoraModel loaded = QLoraModel.load(saved.toString());
        assertThat(loaded.adapter().config()).isEqualTo(model.adapter().config());
        assertThat(loss(loaded, tokens)).isEqualTo(loss(model, tokens));
    }

    /** The mean over tokens. */
    private static double loss(QLoraModel model, Dataset<Row> tokens) {
        return model.transform(tokens)
                .agg(functions.expr("sum(loss * num_target_tokens) / sum(num_target_tokens)"))
                .first()
                .getDouble(0);
    }
}
