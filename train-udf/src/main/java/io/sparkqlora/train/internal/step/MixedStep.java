// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.SlotOutcome;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.Recordings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Optimizer steps of several adapters, whose rows share micro-batches.
 *
 * @param spec what the session holds
 * @param pass on the session's device, with its arena
 * @param pages for moments that are kept in the host's memory; null if they are not
 * @param recordings of micro-batches; the step's to close
 */
public record MixedStep(SessionSpec spec, SessionBuffers session, Pass pass, PageQueue pages, Recordings recordings)
        implements AutoCloseable {

    private static final double NANOS = 1e9;

    /** What an adapter is asked to do. */
    public record Request(TrainingArguments arguments, long stepsDone, List<List<PackedRow>> microBatches) {}

    /** One optimizer step of each adapter, by slot. */
    public Map<Integer, SlotOutcome> run(Map<Integer, Request> requests) {
        long begin = System.nanoTime();
        Map<Integer, SlotOutcome> outcomes = new TreeMap<>();
        List<AdapterTurn> turns = new ArrayList<>();
        new TreeMap<>(requests).forEach((slot, r) -> {
            try {
                turns.add(AdapterTurn.of(spec, slot, r.arguments(), r.stepsDone(), r.microBatches()));
            } catch (QLoraException e) {
                outcomes.put(slot, SlotOutcome.failed(e));
            }
        });
        Map<AdapterTurn, Made> made = update(turns);
        double seconds = (System.nanoTime() - begin) / NANOS;
        made.forEach((turn, m) -> outcomes.put(turn.slot(), outcome(turn, m, seconds)));
        return outcomes;
    }

    /** What the device made of a turn, at which learning rate and scale of the loss. */
    record Made(StepSums.Values values, double learningRate, Double lossScale) {}

    private SlotOutcome outcome(AdapterTurn turn, Made made, double seconds) {
        StepSums.Values values = made.values();
        double loss = values.loss() / turn.counts().targets();
        LossScaler scaler = slot(turn).scaler();
        try {
            if (scaler.skips(values)) {
                scaler.skip(turn.stepsDone() + 1, loss, made.learningRate());
            } else if (!values.finite()) {
                throw TrainErrors.diverged(turn.stepsDone() + 1, loss, values.gradNorm(), made.learningRate());
            }
            return SlotOutcome.done(turn.metrics(made, seconds));
        } catch (QLoraException e) {
            return SlotOutcome.failed(e);
        }
    }

    /**
     * Updates those whose sums are finite. Who is not so beside others is tried once more alone: kernels that mask by a factor
     * of zero may let what is no number through to the rows of a neighbour.
     */
    private Map<AdapterTurn, Made> update(List<AdapterTurn> turns) {
        Map<AdapterTurn, Made> made = together(turns);
        if (turns.size() > 1) {
            turns.stream()
                    .filter(turn -> !made.get(turn).values().finite())
                    .forEach(turn -> made.putAll(together(List.of(turn))));
        }
        return made;
    }

    private Map<AdapterTurn, Made> together(List<AdapterTurn> turns) {
        pass.arena().release(0); // whatever a failed step left there
        Map<AdapterTurn, Made> made = new LinkedHashMap<>();
        if (turns.isEmpty()) {
            return made;
        }
        StepSums sums = StepSums.take(pass.arena(), spec.slots());
        sums.clear(pass.device());
        accumulate(turns, sums);
        for (AdapterTurn turn : turns) {
            slot(turn).scaler().unscale(pass.device(), buffers(turn).gradients());
            OptimizerStep.norm(pass.device(), buffers(turn), turn.arguments().maxGradNorm(), sums.of(turn.slot()));
        }
        List<StepSums.Values> all = sums.read(pass.device());
        for (AdapterTurn turn : turns) {
            LossScaler scaler = slot(turn).scaler();
            made.put(turn, new Made(all.get(turn.slot()), turn.learningRate(scaler), scaler.reported()));
            if (all.get(turn.slot()).finite()) {
                update(turn, sums.of(turn.slot()));
            }
        }
        pass.arena().release(0);
        return made;
    }

    private void accumulate(List<AdapterTurn> turns, StepSums sums) {
        Operations ops = pass.ops();
        turns.forEach(turn -> ops.elementwise().zero(buffers(turn).gradients()));
        MicroBatch micro = new MicroBatch(pass, session.model(), session.rope(), spec.recompute(), recordings);
        double dropout = spec.lora().loraDropout();
        MixedBatches batches =
                spec.slots() == 1 ? MixedBatches.alone(turns.get(0)) : MixedBatches.of(turns, spec.maxTokens());
        for (List<MixedBatches.Member> batch : batches.batches()) {
            micro.run(batch.stream()
                    .map(m -> m.turn()
                            .part(
                                    m.index(),
                                    dropout,
                                    slot(m.turn()),
                                    sums.of(m.turn().slot())))
                    .toList());
        }
    }

    private void update(AdapterTurn turn, StepSums.Sums sums) {
        long mark = pass.arena().mark();
        OptimizerStep optimizer =
                OptimizerStep.take(pass.arena(), sums, slot(turn).moments(), pages);
        optimizer.prefetch();
        LossScaler scaler = slot(turn).scaler();
        long number = scaler.updates(turn.stepsDone()) + 1;
        optimizer.update(pass.device(), buffers(turn), turn.arguments(), turn.learningRate(scaler), number);
        scaler.update();
        buffers(turn).measure(pass, session.model().groups(), false);
        pass.arena().release(mark);
    }

    private AdapterSlot slot(AdapterTurn turn) {
        return session.slots().get(turn.slot());
    }

    private AdapterBuffers buffers(AdapterTurn turn) {
        return slot(turn).buffers();
    }

    /** The loss over rows, without dropout, as many at a time as fit. */
    public LossSum evaluate(int slot, List<PackedRow> rows, boolean withAdapter) {
        ModelAdapter adapter = withAdapter ? session.slots().get(slot).views() : null;
        return new Evaluation(spec, new ModelForward(pass, session.model(), adapter, session.rope())).run(rows);
    }

    @Override
    public void close() {
        recordings.close();
    }
}
