// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.report.Reports;
import java.util.List;

/** What of a job doesn't go together with groups. */
public final class GroupChecks {

    private GroupChecks() {}

    /** Names of the keys that a group may have of its own. */
    public static List<String> ownKeys() {
        return GroupSettings.OWN;
    }

    /**
     * Checks a job's keys against each other.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the key to remove
     */
    public static void check(JobConfig config) {
        if (!config.has(GroupKeys.GROUP_BY)) {
            int atOnce = config.get(GroupKeys.GROUPS_PER_DEVICE);
            if (atOnce > 1) {
                throw GroupErrors.needsGroups(GroupKeys.GROUPS_PER_DEVICE.name(), atOnce);
            }
            if (config.has(GroupKeys.GROUP_HYPERPARAMETERS)) {
                throw GroupErrors.needsGroups(
                        GroupKeys.GROUP_HYPERPARAMETERS.name(), config.get(GroupKeys.GROUP_HYPERPARAMETERS));
            }
            return;
        }
        if (config.get(ExecutorKeys.SHARD_BASE)) {
            throw GroupErrors.notWithGroups(
                    ExecutorKeys.SHARD_BASE.name(),
                    true,
                    "each group is trained on one device, which holds the whole base");
        }
        if (Reports.wanted(config)) {
            throw GroupErrors.notWithGroups(
                    RunKeys.REPORT_TO.name(),
                    config.get(RunKeys.REPORT_TO),
                    "thousands of curves are no chart; the table metrics has them by group_key");
        }
        if (config.has(AdapterKeys.MODULES_TO_SAVE)) {
            throw GroupErrors.notWithGroups(
                    AdapterKeys.MODULES_TO_SAVE.name(),
                    config.get(AdapterKeys.MODULES_TO_SAVE),
                    "adapters of groups share one base in their micro-batches, and whole weights would be each one's own");
        }
        int ranks = config.get(ExecutorKeys.NUM_PROCESSES);
        if (ranks > 1) {
            throw GroupErrors.notWithGroups(
                    ExecutorKeys.NUM_PROCESSES.name(),
                    ranks,
                    "each group is trained on one device, and groups are spread over all there are");
        }
    }
}
