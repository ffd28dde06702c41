// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.run.Failures;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.nio.charset.StandardCharsets;
import java.sql.Timestamp;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The rows that a wave's tasks give, of one schema: metrics as they come, an adapter's tensors when its group is done, how each
 * group ended, and the failure that ended a task.
 */
final class WaveRows {

    static final String METRIC = "metric";
    static final String ADAPTER = "adapter";
    static final String DONE = "done";
    static final String FAILED = "failed";
    static final String TASK_FAILED = "task_failed";

    static final StructType SCHEMA = new StructType()
            .add("kind", DataTypes.StringType)
            .add("task", DataTypes.IntegerType)
            .add("group_key", DataTypes.StringType)
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
            .add("loss_scale", DataTypes.DoubleType)
            .add("eval_loss", DataTypes.DoubleType)
            .add("eval_runtime", DataTypes.DoubleType)
            .add("adapter_step", DataTypes.LongType)
            .add("name", DataTypes.StringType)
            .add("dtype", DataTypes.StringType)
            .add("shape", DataTypes.createArrayType(DataTypes.LongType, false))
            .add("adapter_config", DataTypes.StringType)
            .add("data", DataTypes.BinaryType);

    private final int task;

    /** Rows of a task. */
    WaveRows(int task) {
        this.task = task;
    }

    Row metric(String key, StepMetrics m, double epoch, long deviceBytes) {
        Map<String, Object> values = new HashMap<>(Map.of(
                "epoch", epoch,
                "loss", m.loss(),
                "learning_rate", m.learningRate(),
                "grad_norm", m.gradNorm(),
                "num_tokens", m.numTokens(),
                "num_target_tokens", m.numTargetTokens(),
                "tokens_per_second", m.numTokens() / m.seconds(),
                "device_bytes", deviceBytes,
                "ts", new Timestamp(System.currentTimeMillis())));
        values.put("loss_scale", m.lossScale());
        return row(METRIC, key, m.step(), values);
    }

    /** An evaluation after a step: what it counted, and how long it took. */
    Row evaluation(String key, long step, double epoch, LossSum loss, long deviceBytes, double seconds) {
        return row(
                METRIC,
                key,
                step,
                Map.of(
                        "epoch",
                        epoch,
                        "num_target_tokens",
                        loss.numTargetTokens(),
                        "device_bytes",
                        deviceBytes,
                        "ts",
                        new Timestamp(System.currentTimeMillis()),
                        "eval_loss",
                        loss.mean(),
                        "eval_runtime",
                        seconds));
    }

    /** @param step what the adapter has seen */
    Row adapter(String key, long step, NamedTensor t, String adapterConfig) {
        Long[] shape = Arrays.stream(t.shape()).boxed().toArray(Long[]::new);
        return row(
                ADAPTER,
                key,
                step,
                Map.of(
                        "name", t.name(),
                        "dtype", t.dtype().name(),
                        "shape", shape,
                        "adapter_config", adapterConfig,
                        "data", t.data()));
    }

    /**
     * A group came to its end.
     *
     * @param loss of the last row of its log, or null
     * @param adapterStep what the adapter that it gives has seen
     */
    Row done(String key, long steps, Double loss, long adapterStep) {
        Map<String, Object> values = new HashMap<>();
        values.put("loss", loss);
        values.put("adapter_step", adapterStep);
        return row(DONE, key, steps, values);
    }

    /** A group failed after so many steps: name holds the code, dtype the kind, data the message. */
    Row failed(String key, long steps, QLoraException e) {
        return failure(FAILED, key, steps, e);
    }

    /** The task ended early; groups that are neither done nor failed are still to be trained. */
    Row taskFailed(QLoraException e) {
        return failure(TASK_FAILED, null, 0, e);
    }

    private Row failure(String kind, String key, long steps, QLoraException e) {
        byte[] message = e.getMessage().getBytes(StandardCharsets.UTF_8);
        return row(kind, key, steps, Map.of("name", e.code(), "dtype", e.kind().name(), "data", message));
    }

    private Row row(String kind, String key, long step, Map<String, Object> values) {
        Object[] row = new Object[SCHEMA.size()];
        row[SCHEMA.fieldIndex("kind")] = kind;
        row[SCHEMA.fieldIndex("task")] = task;
        row[SCHEMA.fieldIndex("group_key")] = key;
        row[SCHEMA.fieldIndex("step")] = step;
        values.forEach((name, value) -> row[SCHEMA.fieldIndex(name)] = value);
        return RowFactory.create(row);
    }

    /** The error of a row of a failure. */
    static QLoraException error(Row row) {
        String message = new String(row.<byte[]>getAs("data"), StandardCharsets.UTF_8);
        return Failures.again(row.getAs("name"), QLoraException.Kind.valueOf(row.getAs("dtype")), message);
    }
}
