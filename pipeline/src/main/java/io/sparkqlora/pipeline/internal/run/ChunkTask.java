// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.StepMetrics;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;

/**
 * What an executor does in a chunk: train its steps, give metrics, adapter and state. One rank of a barrier stage; there is
 * one rank.
 *
 * <p>A failure that another attempt would repeat is a row of the result, so that Spark doesn't make three more; what was
 * done before it is in the result too. Any other exception fails the stage, which Spark tries again.
 */
final class ChunkTask extends AbstractFunction1<scala.collection.Iterator<ChunkFeed>, scala.collection.Iterator<Row>>
        implements Serializable {

    private static final long serialVersionUID = 1L;

    private final ChunkSpec chunk;
    private final StepChannel channel;

    ChunkTask(ChunkSpec chunk, StepChannel channel) {
        this.chunk = chunk;
        this.channel = channel;
    }

    @Override
    public scala.collection.Iterator<Row> apply(scala.collection.Iterator<ChunkFeed> feeds) {
        List<Row> out = new ArrayList<>();
        try {
            train(feeds.next(), out);
        } catch (QLoraException e) {
            // half of a chunk's rows are none: where they can't be had whole, the chunk did nothing
            out = List.of(ChunkRows.failure(chunk.startStep(), e));
        }
        return CollectionConverters.asScala(out.iterator());
    }

    private void train(ChunkFeed feed, List<Row> out) {
        ResidentSession session =
                ResidentSessions.acquire(chunk.run(), chunk.startStep(), () -> tensors(feed.stateRows()));
        try {
            steps(session, feed.tokenRows(), out);
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(session));
        }
        if (chunk.last() || session.step() < chunk.endStep()) {
            session.close();
        } else {
            ResidentSessions.release(session);
        }
    }

    private void steps(ResidentSession session, Iterator<Row> tokenRows, List<Row> out) {
        JobConfig config = ConfigJson.read(chunk.run().configJson());
        StepRows rows = new StepRows(chunk, config.get(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE), tokenRows);
        try {
            for (long step = chunk.startStep(); step < chunk.endStep(); step++) {
                TaskContext.get().killTaskIfInterrupted();
                step(session, rows, out);
            }
        } catch (QLoraException e) {
            if (e.kind() == QLoraException.Kind.DEVICE) {
                // nothing can be read from a device that failed
                throw e;
            }
            out.add(ChunkRows.failure(session.step(), e));
        }
        if (session.step() > chunk.startStep()) {
            results(session, out);
        }
    }

    private void step(ResidentSession session, StepRows rows, List<Row> out) {
        StepMetrics metrics = session.train(rows.next(session.step()));
        channel.send(metrics);
        double epoch = chunk.run().plan().epoch(metrics.step());
        session.log(metrics).ifPresent(logged -> out.add(ChunkRows.metric(logged, epoch, session.peakBytes())));
    }

    private static void results(ResidentSession session, List<Row> out) {
        Adapter adapter = session.adapter();
        String config = AdapterConfigJson.write(adapter.config());
        adapter.tensors().forEach(tensor -> out.add(ChunkRows.adapter(session.step(), tensor, config)));
        session.state().forEach(tensor -> out.add(ChunkRows.state(session.step(), tensor)));
    }

    private static List<NamedTensor> tensors(Iterator<Row> rows) {
        List<NamedTensor> tensors = new ArrayList<>();
        rows.forEachRemaining(row -> tensors.add(TensorRows.tensor(row)));
        return tensors;
    }
}
