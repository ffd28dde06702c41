// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.train.PreferenceArguments;
import java.util.List;

/** The keys of a job file that say what is learned, and how from preferences. */
public final class PreferenceKeys {

    private static final String PREFERENCES = "Preferences";

    /** The value of {@link #STAGE} for preferences. */
    public static final String DPO = "dpo";

    public static final ConfigKey<String> STAGE = of(
            PREFERENCES,
            "stage",
            ConfigTypes.oneOf("sft", DPO),
            "sft",
            "What is learned, as LLaMA-Factory names it: sft is to predict what counts of a row; dpo (TRL's DPOTrainer) to make "
                    + "chosen answers likelier than rejected ones, by the measure of the base without the adapter. Needs rows of "
                    + "preferences, of which the answers count.");

    public static final ConfigKey<String> CHOSEN_COLUMN = of(
            PREFERENCES,
            "chosen_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with the better answer: text, or messages. Without it, chosen. The prompt stands in prompt_column (without "
                    + "it, prompt); where there is none, it is what chosen and rejected have in common at their beginning.");

    public static final ConfigKey<String> REJECTED_COLUMN = of(
            PREFERENCES,
            "rejected_column",
            ConfigTypes.text("a column name"),
            null,
            "Column with the other answer. Without it, rejected. Each of the two may have max_seq_length tokens with the "
                    + "prompt, and a packed row twice as many: it holds whole pairs.");

    public static final ConfigKey<String> LOSS_TYPE = of(
                    PREFERENCES,
                    "loss_type",
                    ConfigTypes.oneOf("sigmoid"),
                    "sigmoid",
                    "The loss of a pair: sigmoid is DPO's own. Only that in this version.")
            .alias("pref_loss");

    public static final ConfigKey<Double> BETA = of(
                    PREFERENCES,
                    "beta",
                    ConfigTypes.number(Range.above(0)),
                    PreferenceArguments.DEFAULT_BETA,
                    "How strongly the adapter is held to the base. The loss of a pair is -log sigmoid of beta times by how many "
                            + "nats more the adapter raises the chosen answer than the rejected one.")
            .alias("pref_beta");

    public static final ConfigKey<Double> LABEL_SMOOTHING = of(
                    PREFERENCES,
                    "label_smoothing",
                    ConfigTypes.number(Range.halfOpen(0, 0.5)),
                    0.0,
                    "How likely a preference is the wrong way round (conservative DPO): so much of a pair's loss is that of the "
                            + "pair turned round. TRL's loss sigmoid has it in 0.24 and no more in 1.0.")
            .alias("dpo_label_smoothing");

    static final List<ConfigKey<?>> ALL =
            List.of(STAGE, CHOSEN_COLUMN, REJECTED_COLUMN, LOSS_TYPE, BETA, LABEL_SMOOTHING);

    private PreferenceKeys() {}
}
