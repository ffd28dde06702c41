// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.Measured;
import io.sparkqlora.pipeline.internal.run.PackedRows;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceSum;
import io.sparkqlora.train.TrainingSession;
import java.io.Serializable;
import java.util.Iterator;
import java.util.List;
import java.util.stream.DoubleStream;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;

/**
 * What an executor does in an evaluation: losses of base and adapter over token rows, in the order of the rows.
 *
 * @param configJson how the base is held
 * @param adapter the adapter
 * @param maxTokens most tokens of a batch
 */
record EvaluateTask(String configJson, Broadcast<Adapter> adapter, int maxTokens)
        implements FlatMapFunction<Iterator<Row>, double[]>, Serializable {

    /**
     * One result: loss sum with the adapter, loss sum without, counted tokens, rows; of preferences also pairs, and the sums of
     * {@link PreferenceSum}. Without the adapter each pair costs ln 2.
     */
    @Override
    public Iterator<double[]> call(Iterator<Row> tokenRows) {
        JobConfig config = ConfigJson.read(configJson);
        try (Checkpoint checkpoint = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
                Device device = RunDevices.open(config);
                TrainingSession session = open(config, checkpoint, device, adapter.value())) {
            return List.of(sums(session, tokenRows)).iterator();
        }
    }

    private TrainingSession open(JobConfig config, Checkpoint checkpoint, Device device, Adapter measured) {
        TrainingSession session = TrainingSession.open(
                device,
                checkpoint.config(),
                checkpoint.weights(),
                EngineSettings.quantization(config, checkpoint.config()),
                measured.config(),
                EngineSettings.arguments(config),
                maxTokens);
        session.loadAdapter(measured);
        return session;
    }

    private static double[] sums(TrainingSession session, Iterator<Row> tokenRows) {
        return session.learnsFromPairs() ? ofPairs(session, tokenRows) : ofTokens(session, tokenRows);
    }

    private static double[] ofPairs(TrainingSession session, Iterator<Row> tokenRows) {
        Measured measured = Measured.NOTHING;
        long rows = 0;
        while (tokenRows.hasNext()) {
            List<PackedRow> batch = PackedRows.next(tokenRows);
            measured = measured.with(session, batch);
            rows += batch.size();
        }
        PreferenceSum pairs = measured.pairs();
        DoubleStream all = DoubleStream.of(
                pairs.numbers().get(0), pairs.pairs() * Math.log(2), measured.numTargetTokens(), rows, pairs.pairs());
        return DoubleStream.concat(all, pairs.numbers().stream().mapToDouble(Double::doubleValue))
                .toArray();
    }

    private static double[] ofTokens(TrainingSession session, Iterator<Row> tokenRows) {
        LossSum tuned = LossSum.ZERO;
        LossSum base = LossSum.ZERO;
        long rows = 0;
        while (tokenRows.hasNext()) {
            List<PackedRow> batch = PackedRows.next(tokenRows);
            tuned = tuned.plus(session.evaluate(batch, true));
            base = base.plus(session.evaluate(batch, false));
            rows += batch.size();
        }
        return new double[] {tuned.sum(), base.sum(), tuned.numTargetTokens(), rows};
    }
}
