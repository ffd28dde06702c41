// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.internal.report.EventReader.Read;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Timestamp;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardFilesTest {

    @TempDir
    Path dir;

    private static Row row(Map<String, Object> values) {
        StructType schema = Table.METRICS.schema();
        Object[] all = Arrays.stream(schema.fieldNames()).map(values::get).toArray();
        return new GenericRowWithSchema(all, schema);
    }

    private static final Timestamp NOON = new Timestamp(1_700_000_000_250L);

    private static final Row STEP = row(Map.of(
            "step",
            300L,
            "epoch",
            0.5,
            "loss",
            2.25,
            "learning_rate",
            1e-4,
            "grad_norm",
            3.0,
            "tokens_per_second",
            1e4,
            "ts",
            NOON));

    private static final Row EVALUATION =
            row(Map.of("step", 300L, "epoch", 0.5, "eval_loss", 1.5, "eval_runtime", 2.0, "ts", NOON));

    private TensorBoardFiles files() {
        return new TensorBoardFiles(new Configuration(), dir.resolve("tb").toString(), "run-1");
    }

    @Test
    void aChunkIsAFileOfEvents() throws IOException {
        TensorBoardFiles files = files();
        assertThat(files.has(3)).isFalse();
        files.tell(3, List.of(STEP, EVALUATION));
        assertThat(files.has(3)).isTrue();
        Path file = dir.resolve("tb/run-1/events.out.tfevents.0000000003.spark-qlora");
        assertThat(EventReader.read(file))
                .containsExactly(
                        new Read(1_700_000_000.25, 0, "brain.Event:2", Map.of()),
                        new Read(
                                1_700_000_000.25,
                                300,
                                null,
                                Map.of(
                                        "train/loss",
                                        2.25f,
                                        "train/learning_rate",
                                        1e-4f,
                                        "train/grad_norm",
                                        3f,
                                        "train/tokens_per_second",
                                        1e4f,
                                        "train/epoch",
                                        0.5f)),
                        new Read(1_700_000_000.25, 300, null, Map.of("eval/loss", 1.5f, "eval/runtime", 2f)));
        byte[] first = Files.readAllBytes(file);
        files.tell(3, List.of(STEP, EVALUATION));
        assertThat(Files.readAllBytes(file)).isEqualTo(first);
        assertThat(dir.resolve("tb/run-1").toFile().list((folder, name) -> !name.startsWith(".")))
                .containsExactly(file.getFileName().toString());
    }

    /** The reader's own checksum, by the value that its definition gives; a record, by one that TensorBoard's writer wrote. */
    @Test
    void checksumsAreCrc32c() {
        assertThat(EventReader.crc32c("123456789".getBytes(StandardCharsets.US_ASCII)))
                .isEqualTo(0xE3069283);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        TfRecord.append("foo".getBytes(StandardCharsets.US_ASCII), out);
        assertThat(HexFormat.of().formatHex(out.toByteArray())).isEqualTo(TENSORFLOW_FOO);
    }

    private static final String TENSORFLOW_FOO = "0300000000000000b099490e666f6f618abefe";

    @Test
    void aFolderThatCanNotBeMadeIsRefused() throws IOException {
        Path file = Files.createFile(dir.resolve("tb"));
        assertThatThrownBy(this::files)
                .hasMessageStartingWith("QLORA-P136: logging_dir " + file + "/run-1 can't be written: ")
                .hasMessageContaining("set report_to to none");
    }
}
