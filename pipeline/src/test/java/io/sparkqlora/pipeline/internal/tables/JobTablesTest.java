// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.GeneratedDocs;
import io.sparkqlora.pipeline.TestSpark;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Timestamp;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.BinaryType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JobTablesTest {

    @TempDir
    Path dir;

    private JobTables tables;

    @BeforeEach
    void open() {
        tables = new JobTables(TestSpark.session(), dir.resolve("out").toString());
    }

    @Test
    void aRelativeRootBecomesAbsolute() {
        JobTables relative = new JobTables(tables.spark(), "some/where");

        assertThat(relative.path(Table.RUNS))
                .isEqualTo(java.nio.file.Path.of("some/where/runs")
                        .toAbsolutePath()
                        .toString());
    }

    @Test
    void aRepeatedAppendIsDropped() {
        tables.append(Table.METRICS, metrics(1), "a", 0);
        tables.append(Table.METRICS, metrics(1), "a", 0);
        tables.append(Table.METRICS, metrics(2), "a", 1);
        tables.append(Table.METRICS, metrics(1), "a", 0);
        tables.append(Table.METRICS, metrics(3), "b", 0);
        assertThat(tables.read(Table.METRICS).select("step").collectAsList().stream()
                        .map(row -> row.getLong(0)))
                .containsExactlyInAnyOrder(1L, 2L, 3L);
    }

    /** A task gives the driver what it wrote of it, with Kryo. */
    @Test
    void afterTenCommitsTheLogHasACheckpoint() {
        for (int i = 0; i < 12; i++) {
            tables.append(Table.METRICS, metrics(i), "a", i);
        }
        assertThat(dir.resolve("out/metrics/_delta_log/_last_checkpoint")).exists();
    }

    @Test
    void aTableThatIsNotThereIsEmptyAndReadingMakesNone() {
        for (Table table : Table.values()) {
            assertThat(tables.read(table).count()).isZero();
            assertThat(tables.read(table).schema()).isEqualTo(table.schema());
        }
        assertThat(dir.resolve("out")).doesNotExist();
    }

    @Test
    void puttingReplacesTheRowOfItsPartition() {
        tables.put(Table.RUNS, run("a", "running"), "run_id = 'a'");
        tables.put(Table.RUNS, run("b", "running"), "run_id = 'b'");
        tables.put(Table.RUNS, run("a", "finished"), "run_id = 'a'");
        assertThat(tables.read(Table.RUNS).select("run_id", "status").collectAsList())
                .containsExactlyInAnyOrder(RowFactory.create("a", "finished"), RowFactory.create("b", "running"));
    }

    @Test
    void aRepeatedReplacementIsDropped() {
        tables.append(Table.METRICS, metrics(1), "a", 0);
        tables.replace(Table.METRICS, metrics(2), "run_id = 'r'", "a", 1);
        tables.replace(Table.METRICS, metrics(3), "run_id = 'r'", "a", 1);
        assertThat(tables.read(Table.METRICS).select("step").collectAsList()).containsExactly(RowFactory.create(2L));
    }

    @Test
    void aTableOfAnOlderVersionGetsTheNewColumns() {
        Dataset<Row> old = metrics(1).drop("device_bytes", "grad_norm");
        old.write().format("delta").partitionBy("run_id").save(tables.path(Table.METRICS));
        assertThat(tables.read(Table.METRICS).where("device_bytes is null").count())
                .isEqualTo(1);
        tables.append(Table.METRICS, metrics(2), "a", 0);
        assertThat(tables.read(Table.METRICS).where("device_bytes = 7").count()).isEqualTo(1);
        assertThat(tables.read(Table.METRICS).count()).isEqualTo(2);
    }

    @Test
    void writtenTablesHaveTheirSchema() {
        tables.append(Table.METRICS, metrics(1), "a", 0);
        assertThat(tables.read(Table.METRICS).schema()).isEqualTo(Table.METRICS.schema());
    }

    @Test
    void bytesStandLast() {
        for (Table table : Table.values()) {
            StructType schema = table.schema();
            for (StructField field : schema.fields()) {
                if (field.dataType() instanceof BinaryType) {
                    assertThat(schema.fieldIndex(field.name())).isEqualTo(schema.size() - 1);
                }
            }
        }
    }

    @Test
    void theDocumentedSchemasAreThese() throws IOException {
        GeneratedDocs.check("TABLES.md", TableReference.markdown());
    }

    private static Row run(String id, String status) {
        Timestamp now = new Timestamp(0);
        return RowFactory.create(
                id, status, "m", "f", "t", "d", "v", "i", "{}", "{}", 10L, 0L, now, now, null, null, "cpu", null, null);
    }

    private static Dataset<Row> metrics(long step) {
        Object[] values = {"r", step, 0.5, 1.0, 1e-3, 2.0, 10L, 5L, 100.0, 7L, 0L, new Timestamp(0)};
        // all other columns are null
        Row row =
                RowFactory.create(Arrays.copyOf(values, Table.METRICS.columns().size()));
        return TestSpark.session().createDataFrame(List.of(row), Table.METRICS.schema());
    }
}
