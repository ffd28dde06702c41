// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.config.Nearest;
import java.util.List;
import java.util.Map;

/**
 * A group's job: the run's, and what the group's rows say of its hyper-parameters. What decides how much memory is held, or
 * what the rows and the base are, is the same for all groups.
 */
final class GroupSettings {

    static final List<String> OWN = List.<ConfigKey<?>>of(
                    TrainingKeys.LEARNING_RATE,
                    TrainingKeys.LR_SCHEDULER_TYPE,
                    TrainingKeys.LR_SCHEDULER_KWARGS,
                    TrainingKeys.WARMUP_STEPS,
                    TrainingKeys.WARMUP_RATIO,
                    TrainingKeys.MAX_STEPS,
                    TrainingKeys.NUM_TRAIN_EPOCHS,
                    TrainingKeys.MAX_GRAD_NORM,
                    TrainingKeys.WEIGHT_DECAY,
                    TrainingKeys.LABEL_SMOOTHING_FACTOR,
                    TrainingKeys.NEFTUNE_NOISE_ALPHA,
                    TrainingKeys.ADAM_BETA1,
                    TrainingKeys.ADAM_BETA2,
                    TrainingKeys.ADAM_EPSILON,
                    TrainingKeys.SEED)
            .stream()
            .map(ConfigKey::name)
            .toList();

    private static final ObjectMapper JSON = new ObjectMapper();

    private GroupSettings() {}

    /**
     * The job of one group.
     *
     * @param hyperparameters what its rows say, as the tokeniser gives it; null: nothing
     * @throws QLoraException INPUT or CONFIG, if they contradict each other or say what a group can't
     */
    static JobConfig of(JobConfig job, String hyperparameters) {
        if (hyperparameters == null) {
            return job;
        }
        String column = job.get(GroupKeys.GROUP_HYPERPARAMETERS);
        JsonNode said = parsed(hyperparameters);
        if (said.isArray() && said.size() == 2) {
            throw GroupErrors.settingsDiffer(column, said.get(0), said.get(1));
        }
        if (!said.isObject()) {
            throw GroupErrors.settingsNoObject(column, said);
        }
        JobConfigBuilder group = job.toBuilder();
        for (Map.Entry<String, JsonNode> setting : said.properties()) {
            requireOwn(column, setting.getKey());
            group.set(setting.getKey(), setting.getValue());
        }
        return group.build();
    }

    private static void requireOwn(String column, String key) {
        if (OWN.contains(key)) {
            return;
        }
        boolean known = ConfigKeys.all().stream()
                .anyMatch(other -> other.name().equals(key) || other.aliases().contains(key));
        throw known
                ? GroupErrors.notAGroupsOwn(column, key, OWN)
                : GroupErrors.unknownSetting(column, key, Nearest.to(key, OWN), OWN);
    }

    private static JsonNode parsed(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the tokeniser wrote no JSON: " + json, e);
        }
    }
}
