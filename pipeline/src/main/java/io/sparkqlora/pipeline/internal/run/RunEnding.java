// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.tables.JobTables;

/** Sees to it that the table of runs says how a run ended. */
public final class RunEnding {

    private RunEnding() {}

    /** What a run does. */
    public interface Body {

        /** Trains what is left; gives the record of how it ended. */
        RunRecord train();

        /** The record as it stands. */
        RunRecord now();
    }

    /**
     * Trains what is left.
     *
     * @throws QLoraException what ended the run; the table of runs says so too
     */
    public static RunRecord execute(JobTables tables, Body run) {
        try (Interruption guard = Interruption.guard(tables.spark().sparkContext())) {
            try {
                RunRecord ended = run.train();
                ended.save(tables);
                return ended;
            } catch (Exception e) {
                // Scala throws Spark's checked exceptions without saying so
                throw ended(tables, run.now(), e, guard);
            }
        }
    }

    /** Records how the run ended; gives what people are told. */
    private static RuntimeException ended(JobTables tables, RunRecord record, Exception e, Interruption guard) {
        String runId = record.inputs().runId();
        if (Interruption.requested()) {
            QLoraException interrupted = guard.stopped(runId, record.lastStep());
            record.ended(RunRecord.INTERRUPTED, interrupted.getMessage()).save(tables);
            return interrupted;
        }
        QLoraException known = StageFailures.find(e);
        boolean diverged = known != null && known.kind() == QLoraException.Kind.DIVERGED;
        record.ended(diverged ? RunRecord.DIVERGED : RunRecord.FAILED, Failures.oneLine(known == null ? e : known))
                .save(tables);
        if (diverged) {
            return PipelineErrors.hasDiverged(runId, record.lastStep(), known.getMessage());
        }
        if (known != null) {
            return known;
        }
        return e instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(Failures.oneLine(e), e);
    }
}
