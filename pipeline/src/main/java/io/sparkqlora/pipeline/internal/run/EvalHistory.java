// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Row;

/**
 * A run's evaluations so far. Which adapter is the best, and whether the run is to end, are functions of what is committed, so
 * they are the same after any kill and resume.
 */
public final class EvalHistory {

    private final JobConfig config;
    private final List<Evaluated> evaluations = new ArrayList<>();

    /**
     * One of them.
     *
     * @param step optimizer steps done
     * @param loss mean cross-entropy of the counted tokens
     */
    public record Evaluated(long step, double loss) {}

    /** @param config of the run */
    public EvalHistory(JobConfig config) {
        this.config = config;
    }

    /** What is in the table, up to a step. */
    public static EvalHistory read(JobTables tables, JobConfig config, String runId, long upTo) {
        EvalHistory history = new EvalHistory(config);
        if (config.get(EvaluationKeys.EVAL_STRATEGY).equals("no")) {
            return history;
        }
        List<Row> rows = tables.read(Table.METRICS)
                .where(col("run_id").equalTo(runId))
                .where(col("eval_loss").isNotNull())
                .where(col("step").leq(upTo))
                .orderBy("step")
                .select("step", "eval_loss")
                .collectAsList();
        rows.forEach(row -> history.add(new Evaluated(row.getLong(0), row.getDouble(1))));
        return history;
    }

    /** One more. */
    public void add(Evaluated evaluated) {
        evaluations.add(evaluated);
    }

    /** The best, the first of equals; empty before the first. */
    public Optional<Evaluated> best() {
        Evaluated best = null;
        for (Evaluated each : evaluations) {
            best = best == null || better(each, best) ? each : best;
        }
        return Optional.ofNullable(best);
    }

    /** The last; empty before the first. */
    public Optional<Evaluated> last() {
        return evaluations.isEmpty() ? Optional.empty() : Optional.of(evaluations.get(evaluations.size() - 1));
    }

    /** Whether so many in a row were no improvement; the rule of transformers' {@code EarlyStoppingCallback}. */
    public boolean stops() {
        if (!config.has(EvaluationKeys.EARLY_STOPPING_PATIENCE)) {
            return false;
        }
        double threshold = config.get(EvaluationKeys.EARLY_STOPPING_THRESHOLD);
        Evaluated best = null;
        int without = 0;
        for (Evaluated each : evaluations) {
            boolean improved = best == null || (better(each, best) && Math.abs(each.loss() - best.loss()) > threshold);
            without = improved ? 0 : without + 1;
            best = best == null || better(each, best) ? each : best;
        }
        return without >= config.get(EvaluationKeys.EARLY_STOPPING_PATIENCE);
    }

    private boolean better(Evaluated one, Evaluated other) {
        return config.get(EvaluationKeys.GREATER_IS_BETTER) ? one.loss() > other.loss() : one.loss() < other.loss();
    }
}
