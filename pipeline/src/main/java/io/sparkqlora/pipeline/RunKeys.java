// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;

/** The keys of a job file that say where results go and when. */
public final class RunKeys {

    private static final String RUN = "Run";

    public static final ConfigKey<String> OUTPUT_DIR = of(
                    RUN,
                    "output_dir",
                    ConfigTypes.text("a path"),
                    null,
                    "Root of the Delta tables, on any Hadoop filesystem. Several runs may share it.")
            .mandatory()
            .operational();

    public static final ConfigKey<String> RUN_ID = of(
                    RUN,
                    "run_id",
                    ConfigTypes.text("letters, digits, '.', '_' and '-'")
                            .where("letters, digits, '.', '_' and '-'", id -> id.matches("[A-Za-z0-9._-]{1,128}")),
                    null,
                    "Name of the run. Without it, one is derived from the keys that are set, the base and the data, so that "
                            + "the same command goes on with the same run.")
            .operational();

    public static final ConfigKey<Boolean> RESUME = of(
                    RUN,
                    "resume",
                    ConfigTypes.bool(),
                    true,
                    "Whether to go on with the run of that name. false (or --fresh) starts another one under a new name.")
            .operational();

    public static final ConfigKey<Integer> SAVE_STEPS = of(
            RUN,
            "save_steps",
            ConfigTypes.atLeast(1),
            500,
            "Steps between commits: of one Spark job, after which adapter and state are in the tables.");

    public static final ConfigKey<Integer> SAVE_TOTAL_LIMIT = of(
                    RUN,
                    "save_total_limit",
                    ConfigTypes.atLeast(1),
                    2,
                    "Training states kept of a run; older ones are deleted. Adapters are all kept. transformers keeps all.")
            .operational();

    public static final ConfigKey<Integer> LOGGING_STEPS = of(
            RUN,
            "logging_steps",
            ConfigTypes.atLeast(1),
            1,
            "A row of metrics every so many steps; its loss is the mean since the row before. transformers' default is 500.");

    public static final ConfigKey<String> REPORT_TO = of(
                    RUN,
                    "report_to",
                    ConfigTypes.oneOf("none", "tensorboard", "mlflow"),
                    "none",
                    "What is told of metrics beside the table, with each commit: tensorboard gets an event file; mlflow a batch, at the "
                            + "server of MLFLOW_TRACKING_URI (with MLFLOW_EXPERIMENT_NAME, MLFLOW_TRACKING_TOKEN, or "
                            + "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD). transformers' default is all that is installed.")
            .operational();

    public static final ConfigKey<String> LOGGING_DIR = of(
                    RUN,
                    "logging_dir",
                    ConfigTypes.text("a path"),
                    null,
                    "Folder of TensorBoard's event files, one folder below it a run, on any Hadoop filesystem. Without it, "
                            + "tensorboard in output_dir.")
            .operational();

    static final List<ConfigKey<?>> ALL =
            List.of(OUTPUT_DIR, RUN_ID, RESUME, SAVE_STEPS, SAVE_TOTAL_LIMIT, LOGGING_STEPS, REPORT_TO, LOGGING_DIR);

    private RunKeys() {}
}
