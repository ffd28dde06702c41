// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.run.AdapterStore;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a job file can measure during a run, an estimator can too. */
class EvaluatedFitTest {

    @TempDir
    Path dir;

    @Test
    void aFitHoldsRowsOutAndGivesItsBestAdapter() {
        Path file = TestJobs.conversations(dir.resolve("data.jsonl"), 20);
        Dataset<Row> rows = TestStages.tokenizer().transform(TestStages.rows(file));
        QLoraModel model = TestStages.estimator(dir.resolve("out"))
                .setMaxSteps(2)
                .setPackingStrategy("wrapped")
                .setValidationSplitPercentage(40)
                .setEvalStrategy("steps")
                .setEvalSteps(1)
                .setLoadBestModelAtEnd(true)
                .setReportTo("tensorboard")
                .fit(rows);
        JobTables tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
        List<Row> evaluations = tables.read(Table.METRICS)
                .where("eval_loss IS NOT NULL AND run_id = '" + model.runId() + "'")
                .select("step", "eval_loss")
                .collectAsList();
        assertThat(evaluations).hasSize(2);
        long best = evaluations.stream()
                .min(Comparator.comparingDouble(row -> row.getDouble(1)))
                .orElseThrow()
                .getLong(0);
        RunRecord run = RunRecord.find(tables, model.runId()).orElseThrow();
        assertThat(model.adapter().tensors())
                .isEqualTo(new AdapterStore(tables).read(run, best).tensors());
        assertThat(dir.resolve("out/tensorboard").resolve(model.runId())).isDirectory();
    }
}
