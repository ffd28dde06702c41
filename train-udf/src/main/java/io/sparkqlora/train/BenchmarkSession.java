// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a benchmark measures: steps of one adapter, or of several that share their micro-batches. */
interface BenchmarkSession extends AutoCloseable {

    /** A step over micro-batches; several adapters have as many rows of each. */
    StepMetrics step(List<List<PackedRow>> microBatches);

    BaseLoading loading();

    @Override
    void close();

    /** One adapter, of one rank or of several. */
    record One(TrainingSession session, Collective collective) implements BenchmarkSession {

        @Override
        public StepMetrics step(List<List<PackedRow>> microBatches) {
            return session.step(microBatches, collective);
        }

        @Override
        public BaseLoading loading() {
            return session.loading();
        }

        @Override
        public void close() {
            session.close();
        }
    }

    /** Several, all started. */
    record Several(MultiAdapterSession session) implements BenchmarkSession {

        @Override
        public StepMetrics step(List<List<PackedRow>> microBatches) {
            Map<Integer, List<List<PackedRow>>> bySlot = new LinkedHashMap<>();
            for (int slot = 0; slot < session.slots(); slot++) {
                List<List<PackedRow>> own = new ArrayList<>();
                for (List<PackedRow> rows : microBatches) {
                    int share = rows.size() / session.slots();
                    own.add(rows.subList(slot * share, (slot + 1) * share));
                }
                bySlot.put(slot, own);
            }
            return together(session.step(bySlot).values().stream()
                    .map(SlotOutcome::orThrow)
                    .toList());
        }

        /** The mean loss over all tokens, and the norm of all gradients. */
        private static StepMetrics together(List<StepMetrics> all) {
            StepMetrics first = all.get(0);
            long targets = all.stream().mapToLong(StepMetrics::numTargetTokens).sum();
            double loss = all.stream()
                    .mapToDouble(m -> m.loss() * m.numTargetTokens())
                    .sum();
            double squares =
                    all.stream().mapToDouble(m -> m.gradNorm() * m.gradNorm()).sum();
            return new StepMetrics(
                    first.step(),
                    loss / targets,
                    first.learningRate(),
                    Math.sqrt(squares),
                    all.stream().mapToLong(StepMetrics::numTokens).sum(),
                    targets,
                    first.seconds());
        }

        @Override
        public BaseLoading loading() {
            return session.loading();
        }

        @Override
        public void close() {
            session.close();
        }
    }
}
