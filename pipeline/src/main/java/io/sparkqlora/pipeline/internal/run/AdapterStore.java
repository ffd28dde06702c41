// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.NamedTensor;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Reads adapters out of their table. */
public final class AdapterStore {

    private final JobTables tables;

    /** Adapters of these tables. */
    public AdapterStore(JobTables tables) {
        this.tables = tables;
    }

    /**
     * The step of a run's last committed adapter, or of the one that is asked for.
     *
     * @param group the group that it was trained on; null in a run without groups
     * @param step step, or null for the last one
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if there is none
     */
    public long step(String runId, String group, Long step) {
        Dataset<Row> steps = of(runId, group).select("step").distinct();
        List<Long> known = steps.collectAsList().stream()
                .map(row -> row.getLong(0))
                .sorted()
                .toList();
        if (known.isEmpty() || (step != null && !known.contains(step))) {
            throw PipelineErrors.noAdapter(runId, step, known, tables.root());
        }
        return step == null ? known.get(known.size() - 1) : step;
    }

    /** As {@link #step(String, String, Long)}, in a run without groups. */
    public long step(String runId, Long step) {
        return step(runId, null, step);
    }

    /** The adapter of a run without groups at a step. */
    public Adapter read(RunRecord run, long step) {
        return read(run, null, step);
    }

    /** The adapter of a run, or of a group of it, at a step. */
    public Adapter read(RunRecord run, String group, long step) {
        List<Row> rows = TensorRows.collect(
                of(run.inputs().runId(), group).where(col("step").equalTo(step)));
        List<NamedTensor> tensors = rows.stream().map(TensorRows::tensor).toList();
        String config = rows.get(0).getAs("adapter_config");
        return new Adapter(AdapterConfigJson.read(config), run.inputs().base(), tensors);
    }

    /** The rows of a run's adapters, or of those of one group. */
    public Dataset<Row> of(String runId, String group) {
        return tables.read(Table.ADAPTERS)
                .where(col("run_id").equalTo(runId).and(col("group_key").eqNullSafe(lit(group))));
    }
}
