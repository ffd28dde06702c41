// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PreferenceErrors;
import io.sparkqlora.pipeline.PreferenceKeys;
import java.util.List;
import java.util.Objects;

/** Whether what a job says of preferences goes together. */
public final class PreferenceChecks {

    private PreferenceChecks() {}

    /** Whether a job learns from preferences. */
    public static boolean wanted(JobConfig config) {
        return config.get(PreferenceKeys.STAGE).equals(PreferenceKeys.DPO);
    }

    /**
     * Checks the keys against each other; what the engine doesn't have beside pairs it says itself.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the key to set or remove
     */
    public static void check(JobConfig config) {
        if (!wanted(config)) {
            List<ConfigKey<?>> useless = List.of(
                    PreferenceKeys.CHOSEN_COLUMN,
                    PreferenceKeys.REJECTED_COLUMN,
                    PreferenceKeys.BETA,
                    PreferenceKeys.LABEL_SMOOTHING);
            for (ConfigKey<?> key : useless) {
                if (!isDefault(config, key)) {
                    throw PreferenceErrors.needsPreferences(key.name(), config.get(key));
                }
            }
            return;
        }
        for (ConfigKey<?> key : List.of(DataKeys.ASSISTANT_ONLY_LOSS, DataKeys.COMPLETION_ONLY_LOSS)) {
            if (!isDefault(config, key)) {
                throw PreferenceErrors.answersCount(key.name(), config.get(key));
            }
        }
        if (config.has(AdapterKeys.ADAPTER_NAME_OR_PATH)) {
            throw PreferenceErrors.otherReference(config.get(AdapterKeys.ADAPTER_NAME_OR_PATH));
        }
        if (config.has(GroupKeys.GROUP_BY)) {
            throw GroupErrors.notWithGroups(
                    PreferenceKeys.STAGE.name(),
                    PreferenceKeys.DPO,
                    "adapters that learn from preferences are trained one at a time");
        }
    }

    private static boolean isDefault(JobConfig config, ConfigKey<?> key) {
        return Objects.equals(config.get(key), key.defaultValue());
    }
}
