// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.FolderChoice;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import java.util.Map;
import picocli.CommandLine.Option;

/** The options that choose an adapter. */
final class AdapterOptions {

    @Option(
            names = "--adapter",
            paramLabel = "FOLDER",
            description =
                    "An adapter in a folder, as PEFT, export or combine write it, in place of one of a run. Without the key "
                            + "model_name_or_path its base is the one that it names itself.")
    String folder;

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

    /** Whether the adapter is one of no run. */
    boolean isFolder() {
        return folder != null;
    }

    /** Checks that it is named in one way. */
    void check() {
        if (isFolder()) {
            requireAbsent("--run-id", runId);
            requireAbsent("--step", step);
            requireAbsent("--group", group);
        }
    }

    private void requireAbsent(String option, Object value) {
        if (value != null) {
            throw AdapterErrors.folderOrRun(folder, option, value);
        }
    }

    AdapterChoice choose(Workspace work) {
        return isFolder() ? FolderChoice.of(work.config(), folder) : RunChoice.of(work, runId, group, step);
    }

    /** Says in an outcome which adapter it was. */
    static void put(AdapterChoice choice, Map<String, Object> outcome) {
        if (choice.source().runId() != null) {
            outcome.put("run_id", choice.source().runId());
        }
        outcome.put("adapter_id", choice.adapterId());
        if (choice.source().step() != null) {
            outcome.put("step", choice.source().step());
        }
    }
}
