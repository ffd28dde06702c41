// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TrainingKeys;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

class GroupSettingsTest {

    private final JobConfig job = TestJobs.small(Path.of("out"))
            .set("group_by", "tenant")
            .set("group_hyperparameters", "sweep")
            .build();

    @Test
    void aGroupHasItsOwnSettingsAndTheJobsOtherwise() {
        JobConfig group =
                GroupSettings.of(job, "{\"learning_rate\":0.5,\"lr_scheduler_type\":\"cosine\",\"seed\":\"7\"}");
        assertThat(group.get(TrainingKeys.LEARNING_RATE)).isEqualTo(0.5);
        assertThat(group.get(TrainingKeys.LR_SCHEDULER_TYPE)).isEqualTo("cosine");
        assertThat(group.get(TrainingKeys.SEED)).isEqualTo(7);
        assertThat(group.get(TrainingKeys.MAX_STEPS)).isEqualTo(job.get(TrainingKeys.MAX_STEPS));
        for (String kwargs : new String[] {"{\"num_cycles\":2}", "\"{num_cycles: 2}\""}) {
            assertThat(GroupSettings.of(job, "{\"lr_scheduler_kwargs\":" + kwargs + "}")
                            .get(TrainingKeys.LR_SCHEDULER_KWARGS))
                    .isEqualTo(Map.of("num_cycles", 2.0));
        }
        assertThat(GroupSettings.of(job, "{}").effective()).isEqualTo(job.effective());
        assertThat(GroupSettings.of(job, null)).isSameAs(job);
    }

    @Test
    void whatAGroupCannotSayIsRefusedByName() {
        assertThatThrownBy(() -> GroupSettings.of(job, "{\"lora_r\":2}"))
                .hasMessageStartingWith(
                        "QLORA-P103: sweep sets lora_r, which all groups of a run share; set it in the job");
        assertThatThrownBy(() -> GroupSettings.of(job, "{\"weight_decai\":2}"))
                .hasMessage("QLORA-P104: sweep has an unknown key 'weight_decai'; did you mean 'weight_decay'?");
        assertThatThrownBy(() -> GroupSettings.of(job, "{\"seed\":\"x\"}"))
                .hasMessageContaining("QLORA-P003: JobConfig: seed is \"x\"; allowed: a whole number");
        assertThatThrownBy(() -> GroupSettings.of(job, "[{\"seed\":1},{}]"))
                .hasMessageStartingWith("QLORA-P101: sweep differs between rows of the group: {\"seed\":1} and {}");
        assertThatThrownBy(() -> GroupSettings.of(job, "3"))
                .hasMessageStartingWith("QLORA-P102: sweep is 3, not an object");
    }

    @Test
    void keysThatDoNotGoTogetherAreRefused() {
        assertThatThrownBy(() -> GroupChecks.check(
                        job.toBuilder().set("num_processes", 2).build()))
                .hasMessageStartingWith(
                        "QLORA-P090: num_processes is 2 beside group_by: each group is trained on one device");
        assertThatThrownBy(() -> GroupChecks.check(
                        job.toBuilder().set("shard_base", true).build()))
                .hasMessageStartingWith("QLORA-P090: shard_base is true beside group_by");
        JobConfig plain = TestJobs.small(Path.of("out")).build();
        GroupChecks.check(plain);
        assertThatThrownBy(() -> GroupChecks.check(
                        plain.toBuilder().set("groups_per_device", 2).build()))
                .hasMessage(
                        "QLORA-P097: groups_per_device is 2 without group_by; set group_by, or remove groups_per_device");
        assertThatThrownBy(() -> GroupChecks.check(
                        plain.toBuilder().set("group_hyperparameters", "s").build()))
                .hasMessageStartingWith("QLORA-P097: group_hyperparameters is s without group_by");
    }
}
