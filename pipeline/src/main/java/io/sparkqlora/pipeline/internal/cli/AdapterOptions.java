// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import picocli.CommandLine.Option;

/** The options that choose an adapter. */
final class AdapterOptions {

    @Option(
            names = "--run-id",
            paramLabel = "ID",
            description = "The run. Default: the job's run_id, else the run that was started last.")
    String runId;

    @Option(
            names = "--step",
            paramLabel = "N",
            description = "The step. Default: the last that is committed, or the best with load_best_model_at_end.")
    Long step;

    @Option(names = "--group", paramLabel = "KEY", description = "The group, in a run with group_by.")
    String group;

    RunChoice choose(Workspace work) {
        return RunChoice.of(work, runId, group, step);
    }
}
