// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.observe.RunLog;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;

/**
 * What an executor does in a chunk: train its part of the steps, and as rank 0 give metrics, adapter and state. One rank of a
 * barrier stage.
 *
 * <p>A failure that another attempt would repeat is a row of the result, so that Spark doesn't make three more; what was
 * done before it is in the result too. Any other exception fails the stage, which Spark tries again: a lost rank is one.
 */
final class ChunkTask extends AbstractFunction1<scala.collection.Iterator<ChunkFeed>, scala.collection.Iterator<Row>>
        implements Serializable {

    private static final long serialVersionUID = 1L;

    private static final double NANOS = 1e9;

    private final ChunkSpec chunk;
    private final boolean resident;
    private final StepChannel channel;

    ChunkTask(ChunkSpec chunk, boolean resident, StepChannel channel) {
        this.chunk = chunk;
        this.resident = resident;
        this.channel = channel;
    }

    @Override
    public scala.collection.Iterator<Row> apply(scala.collection.Iterator<ChunkFeed> feeds) {
        List<Row> out = new ArrayList<>();
        try (RunLog log = RunLog.open(chunk.run().runId(), chunk.chunk(), TaskContext.getPartitionId())) {
            Objects.requireNonNull(log);
            train(feeds.next(), out);
        } catch (QLoraException e) {
            if (e.kind() == QLoraException.Kind.RANK_LOST) {
                throw e;
            }
            // half of a chunk's rows are none: where they can't be had whole, the chunk did nothing
            out = List.of(ChunkRows.failure(TaskContext.getPartitionId(), chunk.startStep(), e));
        }
        return CollectionConverters.asScala(out.iterator());
    }

    private void train(ChunkFeed feed, List<Row> out) {
        ResidentSession session;
        RuntimeException noBase = resident ? null : fetchBase();
        try (Collective collective = ChunkRanks.join(chunk)) {
            try {
                if (noBase != null) {
                    throw noBase;
                }
                session = session(feed, collective);
                if (session == null) {
                    out.add(ChunkRows.missing(collective.rank(), chunk.startStep()));
                    return;
                }
                if (steps(session, feed, collective, out) && session.sharded()) {
                    evaluateTogether(session, feed.evalRows(), collective, out);
                }
            } catch (RuntimeException | Error e) {
                collective.abort(e);
                throw e;
            }
        }
        try {
            if (TaskContext.getPartitionId() == 0 && session.step() > chunk.startStep()) {
                if (!session.sharded()) {
                    evaluate(session, feed.evalRows(), Collective.solo(), out);
                }
                results(session, out);
            }
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(session));
        }
        if (chunk.last() || session.step() < chunk.endStep()) {
            session.close();
        } else {
            ResidentSessions.release(session);
        }
    }

    /**
     * Brings the base to this host before the ranks meet, where nobody's patience is limited: how long it takes depends on the network.
     * What fails is told when they have met, since all must come there.
     */
    private RuntimeException fetchBase() {
        try {
            BaseFolder.of(ConfigJson.read(chunk.run().configJson()), BasePart.ALL);
            return null;
        } catch (RuntimeException e) {
            return e;
        }
    }

    /** Where the chunk begins, or null if it can't. */
    private ResidentSession session(ChunkFeed feed, Collective collective) {
        return resident
                ? ResidentSessions.acquireIdle(chunk.run(), chunk.startStep(), collective)
                : ResidentSessions.acquire(chunk.run(), chunk.startStep(), collective, () -> tensors(feed.stateRows()));
    }

    /** Trains as far as it goes; the session is at the step that it came to. Whether that is the chunk's end, for all ranks. */
    private boolean steps(ResidentSession session, ChunkFeed feed, Collective collective, List<Row> out) {
        StepRows rows = new StepRows(chunk, collective.rank(), feed.tokenRows());
        try {
            for (long step = chunk.startStep(); step < chunk.endStep(); step++) {
                TaskContext.get().killTaskIfInterrupted();
                step(session, rows.next(step), collective, out);
            }
            session.requireSameOnAllRanks(collective);
            return true;
        } catch (QLoraException e) {
            collective.abort(e);
            if (endsTheChunk(e)) {
                throw Closing.afterFailure(e, List.of(session));
            }
            out.add(ChunkRows.failure(collective.rank(), session.step(), e));
            return false;
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, List.of(session));
        }
    }

    /** Nothing can be read from a device that failed, and a lost rank is tried again. */
    private static boolean endsTheChunk(QLoraException e) {
        return e.kind() == QLoraException.Kind.DEVICE || e.kind() == QLoraException.Kind.RANK_LOST;
    }

    private void step(
            ResidentSession session, List<List<PackedRow>> microBatches, Collective collective, List<Row> out) {
        StepMetrics metrics = session.train(microBatches, collective);
        double epoch = chunk.run().plan().epoch(metrics.step());
        Optional<StepMetrics> logged = session.log(metrics);
        if (collective.rank() == 0) {
            channel.send(metrics);
            logged.ifPresent(row -> out.add(ChunkRows.metric(row, epoch, session.peakBytes())));
        }
    }

    /**
     * Measures the adapter that the chunk ends with, if it came to its end.
     *
     * @param collective of those who measure: all where the base is in parts, of whom the first has the rows
     */
    private void evaluate(ResidentSession session, Iterator<Row> rows, Collective collective, List<Row> out) {
        if (!chunk.evaluates() || session.step() < chunk.endStep()) {
            return;
        }
        long start = System.nanoTime();
        Measured measured = Measured.NOTHING;
        while (anyLeft(rows, collective)) {
            TaskContext.get().killTaskIfInterrupted();
            measured = session.evaluate(measured, PackedRows.next(rows), collective);
        }
        if (collective.rank() == 0) {
            double epoch = chunk.run().plan().epoch(session.step());
            out.add(ChunkRows.evaluation(
                    session.step(), epoch, measured, session.peakBytes(), (System.nanoTime() - start) / NANOS));
        }
    }

    private void evaluateTogether(ResidentSession session, Iterator<Row> rows, Collective collective, List<Row> out) {
        try {
            evaluate(session, rows, collective, out);
        } catch (RuntimeException e) {
            collective.abort(e);
            throw Closing.afterFailure(e, List.of(session));
        }
    }

    private static boolean anyLeft(Iterator<Row> rows, Collective collective) {
        return Arrays.stream(collective.allGather(rows.hasNext() ? 1 : 0)).anyMatch(rank -> rank[0] > 0);
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
