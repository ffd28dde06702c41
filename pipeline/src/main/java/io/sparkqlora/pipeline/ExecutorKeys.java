// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;

/** The keys of a job file that say how executors train together. */
public final class ExecutorKeys {

    private static final String EXECUTORS = "Executors";

    public static final ConfigKey<Integer> NUM_PROCESSES = of(
            EXECUTORS,
            "num_processes",
            ConfigTypes.atLeast(1),
            1,
            "Ranks that train one adapter together, each in a task of its own and with a copy of the base, or a part of it (shard_base): "
                    + "accelerate's name. A "
                    + "step takes per_device_train_batch_size × gradient_accumulation_steps × num_processes rows. Another "
                    + "number makes another run: sums have another order, so the last bits differ.");

    public static final ConfigKey<Boolean> SHARD_BASE = of(
                    EXECUTORS,
                    "shard_base",
                    ConfigTypes.bool(),
                    false,
                    "Whether each of num_processes ranks keeps only its part of the decoder layers' quantised weights, and "
                            + "gathers a layer while it computes with the one before: for a base that is too big for one. "
                            + "Norms, token embedding and output projection stay whole. The bits are the same either way. "
                            + "Needs load_in_4bit or load_in_8bit, and between GPUs libnccl.so.2 on every executor.")
            .operational();

    public static final ConfigKey<Integer> DDP_TIMEOUT = of(
                    EXECUTORS,
                    "ddp_timeout",
                    ConfigTypes.atLeast(1),
                    1800,
                    "Seconds that a rank may be silent while others wait for it, before it counts as lost and Spark tries the "
                            + "chunk again. Loading the base is part of it.")
            .operational();

    static final List<ConfigKey<?>> ALL = List.of(NUM_PROCESSES, SHARD_BASE, DDP_TIMEOUT);

    private ExecutorKeys() {}
}
