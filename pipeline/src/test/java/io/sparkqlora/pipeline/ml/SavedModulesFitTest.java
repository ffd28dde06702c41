// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.ParamGridBuilder;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Modules that are trained whole in MLlib's stages, beside the commands on the same rows. */
@Tag("slow")
class SavedModulesFitTest {

    @TempDir
    Path dir;

    @Test
    void aFitTrainsThemAsTrainDoesAndEachOfAGridIsARun() {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 9);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("dataset", file.toString())
                .set("modules_to_save", List.of("embed_tokens", "norm"))
                .set("max_steps", 2)
                .build();
        SparkQLora commands = SparkQLora.job(job);
        QLoraEstimator estimator = TestStages.estimator(dir.resolve("out"))
                .setModulesToSave("[embed_tokens, norm]")
                .setMaxSteps(2);
        Dataset<Row> tokens = TestStages.tokenizer().transform(TestStages.rows(file));
        ParamMap[] grid = new ParamGridBuilder()
                .addGrid(estimator.learningRate(), new double[] {5e-3, 1e-6})
                .build();
        List<QLoraModel> models = estimator.fit(tokens, grid);
        assertThat(models.get(0).adapter().tensors())
                .isEqualTo(commands.adapter(TestSpark.session(), commands.train(TestSpark.session()))
                        .tensors());
        assertThat(models.get(1).runId()).isNotEqualTo(models.get(0).runId());
        double better = loss(models.get(0), tokens);
        assertThat(better).isLessThan(loss(models.get(1), tokens));
        assertThat(models.get(0).getOrDefault(models.get(0).modulesToSave())).isEqualTo("[embed_tokens, norm]");
    }

    private static double loss(QLoraModel model, Dataset<Row> tokens) {
        return model.transform(tokens).agg(functions.avg("loss")).first().getDouble(0);
    }
}
