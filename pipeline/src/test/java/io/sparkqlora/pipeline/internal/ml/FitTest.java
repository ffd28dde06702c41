// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Which fits are one run, and which are not. */
class FitTest {

    private final SparkSession spark = TestSpark.session();
    private final Fit fit = new Fit(rows(5), job().build(), 1);

    @Test
    void whatAGroupMayHaveOfItsOwnMayDiffer() {
        Fit other = fit(rows(5), job().set("learning_rate", 1).set("seed", 7).set("max_steps", 9));
        assertThat(fit.goesWith(other)).isTrue();
        assertThat(fit.own()).containsEntry("learning_rate", 5e-3).doesNotContainKeys("r", "dataset");
    }

    @Test
    void anythingElseIsAnotherRun() {
        assertThat(fit.goesWith(fit(rows(5), job().set("r", 8)))).isFalse();
        assertThat(fit.goesWith(fit(rows(5), job().set("output_dir", "elsewhere"))))
                .isFalse();
        assertThat(fit.goesWith(fit(rows(6), job()))).isFalse();
        assertThat(fit.goesWith(new Fit(rows(5), job().build(), 2))).isFalse();
        Fit ranks = fit(rows(5), job().set("num_processes", 2));
        assertThat(ranks.goesWith(ranks)).isFalse();
        Fit parts = fit(rows(5), job().set("shard_base", true));
        assertThat(parts.goesWith(parts)).isFalse();
    }

    @Test
    void aGatheringTakesWhatGoesWithItAndIsLedOnce() {
        List<Gathering> open = new ArrayList<>();
        Gathering first = Gathering.join(open, fit);
        assertThat(Gathering.join(open, fit(rows(5), job().set("seed", 7)))).isSameAs(first);
        assertThat(Gathering.join(open, fit(rows(5), job().set("r", 8)))).isNotSameAs(first);
        assertThat(open).hasSize(2);
        assertThat(first.fits()).hasSize(2);
        assertThat(first.takeLead()).isTrue();
        assertThat(first.takeLead()).isFalse();
    }

    private static Fit fit(Dataset<Row> rows, JobConfigBuilder job) {
        return new Fit(rows, job.build(), 1);
    }

    private static JobConfigBuilder job() {
        return TestJobs.small(Path.of("out"));
    }

    private Dataset<Row> rows(int count) {
        return spark.range(count).selectExpr("array(1, 2) AS input_ids", "array(-100, 2) AS labels");
    }
}
