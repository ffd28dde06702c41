// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.nio.file.Path;
import java.sql.Timestamp;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class MlflowRunTest {

    private final MlflowServer server = new MlflowServer();
    private final List<String> warnings = new ArrayList<>();
    private final Map<String, String> environment =
            new HashMap<>(Map.of("MLFLOW_TRACKING_URI", server.uri() + "/", "MLFLOW_EXPERIMENT_NAME", "tuning"));

    @AfterEach
    void stop() {
        server.close();
    }

    private MlflowRun open(String runId) {
        JobConfig job = TestJobs.small(Path.of("out")).build();
        return MlflowRun.open(MlflowSettings.of(environment::get), Duration.ofSeconds(2), runId, job, warnings::add);
    }

    private static Row step(long step, double loss) {
        StructType schema = Table.METRICS.schema();
        Map<String, Object> values =
                Map.of("step", step, "epoch", 0.5, "loss", loss, "ts", new Timestamp(1_000L * step));
        return new GenericRowWithSchema(
                Arrays.stream(schema.fieldNames()).map(values::get).toArray(), schema);
    }

    @Test
    void aRunIsMadeOnceAndToldOfEachChunkOnce() {
        MlflowRun run = open("run-1");
        assertThat(server.experiment()).isEqualTo("tuning");
        assertThat(server.params).containsEntry("learning_rate", "0.005").containsEntry("r", "4");
        assertThat(server.tags).containsEntry("spark_qlora.run_id", "run-1");
        assertThat(run.has(0)).isFalse();
        run.tell(0, List.of(step(1, 2.5), step(2, Double.NaN)));
        assertThat(server.metrics)
                .containsExactly("train/loss=2.5@1", "train/epoch=0.5@1", "train/loss=NaN@2", "train/epoch=0.5@2");
        assertThat(server.tags).containsEntry("spark_qlora.chunk", "0");

        MlflowRun again = open("run-1");
        assertThat(again.has(0)).isTrue();
        assertThat(again.has(1)).isFalse();
        again.ended("FINISHED");
        assertThat(server.status()).isEqualTo("FINISHED");
        assertThat(server.calls.stream().filter("runs/create"::equals)).hasSize(1);
        assertThat(warnings).isEmpty();
    }

    @Test
    void aBatchHasNoMoreThanTheServerTakes() {
        MlflowRun run = open("run-1");
        server.calls.clear();
        List<Row> rows = new ArrayList<>();
        for (int i = 1; i <= 600; i++) {
            rows.add(step(i, 1));
        }
        run.tell(0, rows);
        assertThat(server.calls).containsExactly("runs/log-batch", "runs/log-batch", "runs/set-tag");
        assertThat(server.metrics).hasSize(1200).doesNotHaveDuplicates();
    }

    @Test
    void aServerThatFallsSilentIsToldLater() {
        MlflowRun run = open("run-1");
        server.setBroken(true);
        run.tell(0, List.of(step(1, 3)));
        run.tell(1, List.of(step(2, 2)));
        assertThat(warnings).hasSize(1);
        assertThat(warnings.get(0)).contains(server.uri(), "status 503", "the run goes on");
        server.setBroken(false);
        run.tell(2, List.of(step(3, 1)));
        assertThat(server.metrics)
                .filteredOn(metric -> metric.startsWith("train/loss"))
                .containsExactly("train/loss=3.0@1", "train/loss=2.0@2", "train/loss=1.0@3");
        server.setBroken(true);
        run.tell(3, List.of(step(4, 1)));
        run.ended("FINISHED");
        assertThat(warnings).hasSize(2);
        assertThat(warnings.get(1)).contains("was not told of chunks [3]; the table of metrics has them");
        server.setBroken(false);
        assertThat(open("run-1").has(3)).isFalse();
    }

    @Test
    void aServerThatDoesNotAnswerAtTheStartIsAnError() {
        server.require("Bearer secret");
        refused("QLORA-P199: MLflow at " + server.uri(), "status 401 UNAUTHENTICATED who are you?");
        environment.put("MLFLOW_TRACKING_TOKEN", "t0ken");
        refused("QLORA-P199: ", "status 401");
        environment.put("MLFLOW_TRACKING_TOKEN", "secret");
        open("run-1");
        environment.remove("MLFLOW_TRACKING_TOKEN");
        environment.putAll(Map.of("MLFLOW_TRACKING_USERNAME", "me", "MLFLOW_TRACKING_PASSWORD", "secret"));
        server.require("Basic bWU6c2VjcmV0");
        open("run-1");
        server.close();
        refused("QLORA-P199: ", "report_to");
        environment.put("MLFLOW_TRACKING_URI", "databricks");
        refused("QLORA-P196: ", "MLFLOW_TRACKING_URI is databricks");
        environment.remove("MLFLOW_TRACKING_URI");
        refused("QLORA-P196: ", "MLFLOW_TRACKING_URI is not set");
    }

    private void refused(String begins, String... says) {
        assertThatThrownBy(() -> open("run-1"))
                .hasMessageStartingWith(begins)
                .hasMessageContainingAll(says)
                .hasMessageNotContainingAny("secret", "t0ken");
    }
}
