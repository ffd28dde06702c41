// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import java.util.List;

/** The keys of a job file that say what is measured while a run goes on, and what follows from it. */
public final class EvaluationKeys {

    private static final String EVALUATION = "Evaluation during a run";

    public static final ConfigKey<String> EVAL_STRATEGY = of(
                    EVALUATION,
                    "eval_strategy",
                    ConfigTypes.oneOf("no", "steps"),
                    "no",
                    "steps: every eval_steps steps, and after the last, the loss on eval_dataset, or on what "
                            + "validation_split_percentage holds out, becomes a row of metrics; each of them is a commit. With group_by each group is measured on the held-out rows "
                            + "with its key, and is still committed whole; one that has none is trained without.")
            .alias("evaluation_strategy");

    public static final ConfigKey<Integer> EVAL_STEPS = of(
            EVALUATION,
            "eval_steps",
            ConfigTypes.atLeast(1),
            null,
            "Steps between two evaluations. Without it, logging_steps.");

    public static final ConfigKey<Boolean> LOAD_BEST_MODEL_AT_END = of(
            EVALUATION,
            "load_best_model_at_end",
            ConfigTypes.bool(),
            false,
            "Whether the run's adapter is the best that was evaluated instead of the last: the one that evaluate, generate and "
                    + "export take unless a step is named. All are kept; of a group only that one is.");

    public static final ConfigKey<String> METRIC_FOR_BEST_MODEL = of(
            EVALUATION,
            "metric_for_best_model",
            ConfigTypes.oneOf("loss", "eval_loss"),
            "eval_loss",
            "What tells which is best. The two are one.");

    public static final ConfigKey<Boolean> GREATER_IS_BETTER =
            of(EVALUATION, "greater_is_better", ConfigTypes.bool(), false, "Whether the best has the greatest metric.");

    public static final ConfigKey<Integer> EARLY_STOPPING_PATIENCE = of(
            EVALUATION,
            "early_stopping_patience",
            ConfigTypes.atLeast(1),
            null,
            "Ends the run, or a group, after so many evaluations in a row without improvement, as transformers' EarlyStoppingCallback. "
                    + "Without it, no run ends early.");

    public static final ConfigKey<Double> EARLY_STOPPING_THRESHOLD = of(
            EVALUATION,
            "early_stopping_threshold",
            ConfigTypes.number(Range.atLeast(0)),
            0.0,
            "How much the metric must be better than the best before, to count as an improvement.");

    static final List<ConfigKey<?>> ALL = List.of(
            EVAL_STRATEGY,
            EVAL_STEPS,
            LOAD_BEST_MODEL_AT_END,
            METRIC_FOR_BEST_MODEL,
            GREATER_IS_BETTER,
            EARLY_STOPPING_PATIENCE,
            EARLY_STOPPING_THRESHOLD);

    private EvaluationKeys() {}
}
