// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;

/** The keys of a job file that make one run train many adapters. */
public final class GroupKeys {

    private static final String GROUPS = "Groups";

    public static final ConfigKey<String> GROUP_BY = of(
            GROUPS,
            "group_by",
            ConfigTypes.text("a column name"),
            null,
            "Column of strings or numbers: one adapter is trained for each value, on its rows alone, over one base that "
                    + "stays in memory. A group that fails is recorded with its reason in the table groups, and the others "
                    + "go on.");

    public static final ConfigKey<String> GROUP_HYPERPARAMETERS = of(
            GROUPS,
            "group_hyperparameters",
            ConfigTypes.text("a column name"),
            null,
            "Column of a group's own hyper-parameters (a struct, a map, or a JSON object as text, the same in all rows of "
                    + "a group), under the names of this page: learning_rate, lr_scheduler_type, lr_scheduler_kwargs, warmup_steps, "
                    + "warmup_ratio, max_steps, num_train_epochs, max_grad_norm, weight_decay, label_smoothing_factor, neftune_noise_alpha, adam_beta1, adam_beta2, "
                    + "adam_epsilon, seed. What is not said is the job's.");

    public static final ConfigKey<Integer> GROUPS_PER_DEVICE = of(
            GROUPS,
            "groups_per_device",
            ConfigTypes.atLeast(1),
            1,
            "Groups that a device trains side by side: their rows go through the base together, up to "
                    + "per_device_train_batch_size × groups_per_device at once, so small groups share its work. With 1, an "
                    + "adapter is the same to the bit whatever else the run trains; with more, to rounding.");

    static final List<ConfigKey<?>> ALL = List.of(GROUP_BY, GROUP_HYPERPARAMETERS, GROUPS_PER_DEVICE);

    private GroupKeys() {}
}
