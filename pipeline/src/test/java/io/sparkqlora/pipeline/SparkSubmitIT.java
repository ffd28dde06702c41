// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The README's spark-submit command, on the built bundle. There is no installation of Spark here: a folder with the bundle's
 * Spark jars stands for one, and what {@code bin/spark-submit} does (Spark's launcher makes the command, which is then run) is
 * done here.
 */
class SparkSubmitIT {

    @TempDir
    Path dir;

    private SparkSubmit spark;

    @BeforeEach
    void installSpark() throws IOException {
        spark = SparkSubmit.in(dir);
    }

    @Test
    void trainsOnExecutorsAndEvaluatesInTheDriversProcess() throws Exception {
        SparkSubmit.Ended trained = spark.run("local-cluster[1,2,1024]", "train", job());
        assertThat(trained.code()).as(trained.err()).isZero();
        assertThat(trained.outcome().get("status").asText()).isEqualTo("ok");
        assertThat(trained.outcome().get("steps").asLong()).isEqualTo(5);
        SparkSubmit.Ended evaluated = spark.run("local[2]", "evaluate", job());
        assertThat(evaluated.code()).as(evaluated.err()).isZero();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());
    }

    @Test
    void theExitCodeIsThatOfTheFailure() throws Exception {
        JobConfig job =
                job().toBuilder().set("model_name_or_path", "/no/such/base").build();
        SparkSubmit.Ended ended = spark.run("local[2]", "train", job);
        assertThat(ended.code()).as(ended.err()).isEqualTo(3);
        assertThat(ended.outcome().get("message").asText()).contains("/no/such/base");
    }

    private JobConfig job() {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .build();
    }
}
