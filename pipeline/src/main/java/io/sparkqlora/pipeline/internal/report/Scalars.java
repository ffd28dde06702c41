// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import java.sql.Timestamp;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Row;

/**
 * A row of metrics as the numbers that trackers show, under transformers' names: train/… of a step, eval/… of an evaluation.
 *
 * @param step optimizer steps done
 * @param millis when, since 1970
 * @param values by name
 */
record Scalars(long step, long millis, Map<String, Double> values) {

    private static final Map<String, String> NAMES = names();

    private static Map<String, String> names() {
        Map<String, String> names = new LinkedHashMap<>();
        names.put("loss", "train/loss");
        names.put("learning_rate", "train/learning_rate");
        names.put("grad_norm", "train/grad_norm");
        names.put("tokens_per_second", "train/tokens_per_second");
        names.put("loss_scale", "train/loss_scale");
        names.put("eval_loss", "eval/loss");
        names.put("eval_runtime", "eval/runtime");
        return names;
    }

    /** Of preferences, as TRL's trainer names them; of a step or an evaluation. */
    private static final Map<String, String> OF_PAIRS = Map.of(
            "rewards_chosen", "rewards/chosen",
            "rewards_rejected", "rewards/rejected",
            "rewards_accuracies", "rewards/accuracies",
            "rewards_margins", "rewards/margins",
            "logps_chosen", "logps/chosen",
            "logps_rejected", "logps/rejected");

    static Scalars of(Row row) {
        Map<String, Double> values = new LinkedHashMap<>();
        NAMES.forEach((column, name) -> {
            if (row.getAs(column) != null) {
                values.put(name, row.<Double>getAs(column));
            }
        });
        String kind = values.containsKey("train/loss") ? "train/" : "eval/";
        new TreeMap<>(OF_PAIRS).forEach((column, name) -> {
            if (row.getAs(column) != null) {
                values.put(kind + name, row.<Double>getAs(column));
            }
        });
        if (values.containsKey("train/loss")) {
            values.put("train/epoch", row.<Double>getAs("epoch"));
        }
        return new Scalars(row.<Long>getAs("step"), row.<Timestamp>getAs("ts").getTime(), values);
    }
}
