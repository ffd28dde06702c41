// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static java.util.Map.entry;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.PreferenceMetrics;
import io.sparkqlora.train.StepMetrics;
import java.nio.charset.StandardCharsets;
import java.sql.Timestamp;
import java.util.Arrays;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The rows that a chunk's tasks give: metrics, the adapter and the training state of rank 0, and each rank's failure if there
 * was one, or its word that it could not begin, all of one schema so that one shuffle carries them.
 */
final class ChunkRows {

    static final String METRIC = "metric";
    static final String ADAPTER = "adapter";
    static final String STATE = "state";
    static final String FAILURE = "failure";
    static final String MISSING = "missing";

    static final StructType SCHEMA = new StructType()
            .add("kind", DataTypes.StringType)
            .add("rank", DataTypes.IntegerType)
            .add("step", DataTypes.LongType)
            .add("epoch", DataTypes.DoubleType)
            .add("loss", DataTypes.DoubleType)
            .add("learning_rate", DataTypes.DoubleType)
            .add("grad_norm", DataTypes.DoubleType)
            .add("num_tokens", DataTypes.LongType)
            .add("num_target_tokens", DataTypes.LongType)
            .add("tokens_per_second", DataTypes.DoubleType)
            .add("device_bytes", DataTypes.LongType)
            .add("ts", DataTypes.TimestampType)
            .add("eval_loss", DataTypes.DoubleType)
            .add("eval_runtime", DataTypes.DoubleType)
            .add("rewards_chosen", DataTypes.DoubleType)
            .add("rewards_rejected", DataTypes.DoubleType)
            .add("rewards_accuracies", DataTypes.DoubleType)
            .add("rewards_margins", DataTypes.DoubleType)
            .add("logps_chosen", DataTypes.DoubleType)
            .add("logps_rejected", DataTypes.DoubleType)
            .add("loss_scale", DataTypes.DoubleType)
            .add("name", DataTypes.StringType)
            .add("dtype", DataTypes.StringType)
            .add("shape", DataTypes.createArrayType(DataTypes.LongType, false))
            .add("adapter_config", DataTypes.StringType)
            .add("data", DataTypes.BinaryType);

    private ChunkRows() {}

    static Row metric(StepMetrics m, double epoch, long deviceBytes) {
        return row(
                METRIC,
                Map.ofEntries(
                        entry("rank", 0),
                        entry("step", m.step()),
                        entry("epoch", epoch),
                        entry("loss", m.loss()),
                        entry("learning_rate", m.learningRate()),
                        entry("grad_norm", m.gradNorm()),
                        entry("num_tokens", m.numTokens()),
                        entry("num_target_tokens", m.numTargetTokens()),
                        entry("tokens_per_second", m.numTokens() / m.seconds()),
                        entry("device_bytes", deviceBytes),
                        entry("ts", new Timestamp(System.currentTimeMillis()))),
                m.preference(),
                m.lossScale());
    }

    /** An evaluation after a step: what it counted, and how long it took. */
    static Row evaluation(long step, double epoch, Measured measured, long deviceBytes, double seconds) {
        return row(
                METRIC,
                Map.ofEntries(
                        entry("rank", 0),
                        entry("step", step),
                        entry("epoch", epoch),
                        entry("num_target_tokens", measured.numTargetTokens()),
                        entry("device_bytes", deviceBytes),
                        entry("ts", new Timestamp(System.currentTimeMillis())),
                        entry("eval_loss", measured.loss()),
                        entry("eval_runtime", seconds)),
                measured.preference(),
                null);
    }

    private static Row row(String kind, Map<String, Object> values, PreferenceMetrics preference, Double lossScale) {
        Object[] row = new Object[SCHEMA.size()];
        row[0] = kind;
        values.forEach((name, value) -> row[SCHEMA.fieldIndex(name)] = value);
        if (preference != null) {
            int first = SCHEMA.fieldIndex("rewards_chosen");
            for (int i = 0; i < PreferenceMetrics.COUNT; i++) {
                row[first + i] = preference.values().get(i);
            }
        }
        row[SCHEMA.fieldIndex("loss_scale")] = lossScale;
        return RowFactory.create(row);
    }

    static Row state(long step, NamedTensor t) {
        return row(STATE, 0, step, t.name(), t.dtype().name(), shape(t), null, t.data());
    }

    static Row adapter(long step, NamedTensor t, String adapterConfig) {
        return row(ADAPTER, 0, step, t.name(), t.dtype().name(), shape(t), adapterConfig, t.data());
    }

    private static Object shape(NamedTensor t) {
        return Arrays.stream(t.shape()).boxed().toArray(Long[]::new);
    }

    /** The state that the chunk was to begin from is not in all ranks' memory: nothing was done. */
    static Row missing(int rank, long step) {
        return row(MISSING, rank, step, null, null, null, null, null);
    }

    /** An error that another attempt would only repeat: name holds the code, dtype the kind, data the message. */
    static Row failure(int rank, long step, QLoraException e) {
        byte[] message = e.getMessage().getBytes(StandardCharsets.UTF_8);
        return row(FAILURE, rank, step, e.code(), e.kind().name(), null, null, message);
    }

    private static Row row(
            String kind, int rank, long step, String name, String dtype, Object shape, String config, byte[] data) {
        Object[] row = new Object[SCHEMA.size()];
        row[0] = kind;
        row[1] = rank;
        row[2] = step;
        Object[] tensor = {name, dtype, shape, config, data};
        System.arraycopy(tensor, 0, row, SCHEMA.fieldIndex("name"), tensor.length);
        return RowFactory.create(row);
    }

    /** The error of a failure row. */
    static QLoraException error(Row row) {
        String code = row.getAs("name");
        byte[] data = row.getAs("data");
        String message = new String(data, StandardCharsets.UTF_8);
        QLoraException.Kind kind = QLoraException.Kind.valueOf(row.getAs("dtype"));
        return Failures.again(code, kind, message);
    }
}
