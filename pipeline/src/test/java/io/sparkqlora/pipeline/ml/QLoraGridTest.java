// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.Adapters;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.nio.file.Path;
import java.util.List;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.CrossValidator;
import org.apache.spark.ml.tuning.CrossValidatorModel;
import org.apache.spark.ml.tuning.ParamGridBuilder;
import org.apache.spark.ml.tuning.TrainValidationSplit;
import org.apache.spark.ml.tuning.TrainValidationSplitModel;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A grid's adapters are trained side by side, and each is the one that is trained alone. */
@Tag("slow")
class QLoraGridTest {

    private static final double BETTER = 1e-2;
    private static final double WORSE = 1e-6;

    @TempDir
    Path dir;

    @Test
    void crossValidationTrainsAFoldsGridAsOneRunAndFindsTheBetterRate() {
        Dataset<Row> rows = TestStages.rows(TestJobs.conversations(dir.resolve("data.jsonl"), 12));
        ChatTokenizer tokenizer = TestStages.tokenizer();
        QLoraEstimator estimator = TestStages.estimator(dir.resolve("out")).setMaxSteps(3);
        ParamMap[] grid = grid(estimator);
        CrossValidatorModel tuned = new CrossValidator()
                .setEstimator(TestStages.pipeline(tokenizer, estimator))
                .setEstimatorParamMaps(grid)
                .setEvaluator(new PerplexityEvaluator())
                .setNumFolds(2)
                .setParallelism(grid.length)
                .setSeed(1)
                .fit(rows);
        QLoraModel best = TestStages.last((PipelineModel) tuned.bestModel());
        assertThat(tuned.avgMetrics()[1]).isLessThan(tuned.avgMetrics()[0]);
        assertThat(best.getOrDefault(best.learningRate())).isEqualTo(BETTER);

        // two folds, each one run of two groups; and the best one, on all rows
        assertThat(runs()).containsExactly("[0,finished]", "[2,finished]", "[2,finished]");

        // the same grid on all rows: one run, whose second adapter is the one just trained alone
        Dataset<Row> tokens = tokenizer.transform(rows);
        List<QLoraModel> models = estimator.fit(tokens, grid);
        assertThat(runs()).containsExactly("[0,finished]", "[2,finished]", "[2,finished]", "[2,finished]");
        assertThat(models)
                .extracting(QLoraModel::runId)
                .containsOnly(models.get(0).runId());
        assertThat(models.get(1).adapterId()).isEqualTo(models.get(1).runId() + "/learning_rate=0.01@3");
        Adapters.requireClose(models.get(1).adapter().tensors(), best.adapter().tensors());
        assertThat(models.get(0).adapter().tensors())
                .isNotEqualTo(models.get(1).adapter().tensors());
        assertThat(models.get(0).getOrDefault(models.get(0).learningRate())).isEqualTo(WORSE);

        // with parts of the grid that are there already, nothing is trained: the same fit is the same run
        assertThat(estimator.fit(tokens, grid[1]).runId()).isEqualTo(best.runId());
    }

    @Test
    void aTrainValidationSplitsGridIsOneRunToo() {
        Dataset<Row> rows = TestStages.rows(TestJobs.conversations(dir.resolve("data.jsonl"), 12));
        QLoraEstimator estimator = TestStages.estimator(dir.resolve("out")).setMaxSteps(3);
        ParamMap[] grid = grid(estimator);
        TrainValidationSplitModel tuned = new TrainValidationSplit()
                .setEstimator(TestStages.pipeline(TestStages.tokenizer(), estimator))
                .setEstimatorParamMaps(grid)
                .setEvaluator(new PerplexityEvaluator())
                .setTrainRatio(0.75)
                .setParallelism(grid.length)
                .setSeed(1)
                .fit(rows);
        assertThat(tuned.validationMetrics()[1]).isLessThan(tuned.validationMetrics()[0]);
        QLoraModel best = TestStages.last((PipelineModel) tuned.bestModel());
        assertThat(best.getOrDefault(best.learningRate())).isEqualTo(BETTER);
        assertThat(runs()).containsExactly("[0,finished]", "[2,finished]");
    }

    @Test
    void aPointThatDivergesSaysSoAndTheOthersAreThere() {
        Dataset<Row> tokens =
                TestStages.tokenizer().transform(TestStages.rows(TestJobs.conversations(dir.resolve("data.jsonl"), 6)));
        QLoraEstimator estimator =
                TestStages.estimator(dir.resolve("out")).setMaxSteps(3).setMaxGradNorm(0);
        ParamMap[] grid = new ParamGridBuilder()
                .addGrid(estimator.learningRate(), new double[] {1e-3, 1e38})
                .build();
        assertThatThrownBy(() -> estimator.fit(tokens, grid))
                .hasMessageStartingWith("QLORA-P095: group 'learning_rate=1.0E38' of run ")
                .hasMessageContaining("has no adapter: it is failed (QLORA-T060");
        assertThat(runs()).containsExactly("[2,partial]");
    }

    private static ParamMap[] grid(QLoraEstimator estimator) {
        return new ParamGridBuilder()
                .addGrid(estimator.learningRate(), new double[] {WORSE, BETTER})
                .build();
    }

    /** How many groups each run has, and how it ended. */
    private List<String> runs() {
        JobTables tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        return tables
                .read(Table.RUNS)
                .join(tables.read(Table.GROUPS).groupBy("run_id").count(), new String[] {"run_id"}, "left")
                .selectExpr("coalesce(count, 0) AS groups", "status")
                .orderBy("groups")
                .collectAsList()
                .stream()
                .map(Row::toString)
                .toList();
    }
}
