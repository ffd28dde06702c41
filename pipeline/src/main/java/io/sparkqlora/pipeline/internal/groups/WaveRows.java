// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.run.Failures;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.nio.charset.StandardCharsets;
import java.sql.Timestamp;
import java.util.Arrays;
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
        return RowFactory.create(
                METRIC,
                task,
                key,
                m.step(),
                epoch,
                m.loss(),
                m.learningRate(),
                m.gradNorm(),
                m.numTokens(),
                m.numTargetTokens(),
                m.numTokens() / m.seconds(),
                deviceBytes,
                new Timestamp(System.currentTimeMillis()),
                m.lossScale(),
                null,
                null,
                null,
                null,
                null);
    }

    Row adapter(String key, long step, NamedTensor t, String adapterConfig) {
        Long[] shape = Arrays.stream(t.shape()).boxed().toArray(Long[]::new);
        return row(ADAPTER, key, step, null, t.name(), t.dtype().name(), shape, adapterConfig, t.data());
    }

    /** A group came to its last step, whose loss is given. */
    Row done(String key, long steps, double loss) {
        return row(DONE, key, steps, loss, null, null, null, null, null);
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
        return row(kind, key, steps, null, e.code(), e.kind().name(), null, null, message);
    }

    private Row row(
            String kind,
            String key,
            long step,
            Double loss,
            String name,
            String dtype,
            Long[] shape,
            String config,
            byte[] data) {
        return RowFactory.create(
                kind, task, key, step, null, loss, null, null, null, null, null, null, null, null, name, dtype, shape,
                config, data);
    }

    /** The error of a row of a failure. */
    static QLoraException error(Row row) {
        String message = new String(row.<byte[]>getAs("data"), StandardCharsets.UTF_8);
        return Failures.again(row.getAs("name"), QLoraException.Kind.valueOf(row.getAs("dtype")), message);
    }
}
