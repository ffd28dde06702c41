// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;
import java.util.stream.Stream;

/** The keys of {@link ConfigKeys} that say how executors train together. */
public final class ExecutorKeys {

    private static final String EXECUTORS = "Executors";

    public static final ConfigKey<Integer> NUM_PROCESSES = of(
            EXECUTORS,
            "num_processes",
            ConfigTypes.atLeast(1),
            1,
            "Ranks that train one adapter together, each in a task of its own and with a copy of the base: accelerate's name. A "
                    + "step takes per_device_train_batch_size × gradient_accumulation_steps × num_processes rows. Another "
                    + "number makes another run: sums have another order, so the last bits differ.");

    public static final ConfigKey<Integer> DDP_TIMEOUT = of(
                    EXECUTORS,
                    "ddp_timeout",
                    ConfigTypes.atLeast(1),
                    1800,
                    "Seconds that a rank may be silent while others wait for it, before it counts as lost and Spark tries the "
                            + "chunk again. Loading the base is part of it.")
            .operational();

    private static final List<ConfigKey<?>> ALL = List.of(NUM_PROCESSES, DDP_TIMEOUT);

    private ExecutorKeys() {}

    /** Other keys, and after them these. */
    static List<ConfigKey<?>> after(List<ConfigKey<?>> others) {
        return Stream.concat(others.stream(), ALL.stream()).toList();
    }
}
