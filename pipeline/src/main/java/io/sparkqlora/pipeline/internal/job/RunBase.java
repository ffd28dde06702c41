// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.ModelConfig;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;

/**
 * Which commit of the Hub a run's base is. A branch moves; but the same command goes on with the same run. So a job whose base is
 * named by a branch takes the commit that its run began with, where that is recorded, and only for a new run what the branch is
 * now. Which run is a job's, without {@code run_id}, its keys and its data say, as they do where the run's name is derived from them.
 */
final class RunBase {

    private final Workspace work;
    private final JobConfig job;
    private final Supplier<String> dataVersion;

    private RunBase(Workspace work, Supplier<String> dataVersion) {
        this.work = work;
        this.job = work.config();
        this.dataVersion = dataVersion;
    }

    /**
     * The job with its base's commit; one whose base isn't on the Hub is as it was.
     *
     * @param dataVersion gives the version of what it trains on; asked only where a run may be the job's
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P182–P186, P188 if nobody knows the commit
     */
    static Workspace pinned(Workspace work, Supplier<String> dataVersion) {
        String name = work.config().get(ModelKeys.MODEL_NAME_OR_PATH);
        if (!BaseFolder.isOnHub(name)) {
            return work;
        }
        JobConfig pinned = new RunBase(work, dataVersion).pinned();
        String commit = pinned.get(ModelKeys.MODEL_NAME_OR_PATH);
        work.observer().onMessage("base " + (commit.equals(name) ? name : name + " is " + commit));
        return work.withConfig(pinned);
    }

    private JobConfig pinned() {
        Optional<RunRecord> run = job.get(RunKeys.RESUME) ? recorded() : Optional.empty();
        return BaseFolder.pinned(
                run.isPresent() ? BaseFolder.pinnedAs(run.get().inputs().base(), job) : job);
    }

    private Optional<RunRecord> recorded() {
        if (job.has(RunKeys.RUN_ID)) {
            return RunRecord.find(work.tables(), job.get(RunKeys.RUN_ID)).filter(this::hasBase);
        }
        List<Row> ids = work.tables()
                .read(Table.RUNS)
                .where(col("base_model").equalTo(job.get(ModelKeys.MODEL_NAME_OR_PATH)))
                .orderBy(col("started_at").desc())
                .select("run_id")
                .collectAsList();
        return ids.stream()
                .flatMap(row -> RunRecord.find(work.tables(), row.getString(0)).stream())
                .filter(this::isOfThisJob)
                .filter(run -> run.inputs().datasetVersion().equals(dataVersion.get()))
                .findFirst();
    }

    /** A run's record says what its adapter or a quantised base added to the job; to know that of this job takes that base. */
    private boolean isOfThisJob(RunRecord run) {
        Map<String, Object> recorded = keys(ConfigJson.read(run.inputs().config()));
        if (!recorded.entrySet().containsAll(keys(job).entrySet())) {
            return false;
        }
        if (recorded.equals(keys(job))) {
            return true;
        }
        JobConfig pinned = BaseFolder.pinnedAs(run.inputs().base(), job);
        ModelConfig base = BaseModel.open(BaseFolder.of(pinned, BasePart.ALL)).config();
        return recorded.equals(keys(StoredFormat.of(FirstAdapter.settle(pinned, base), base)));
    }

    private boolean hasBase(RunRecord run) {
        return run.inputs().baseModel().equals(job.get(ModelKeys.MODEL_NAME_OR_PATH));
    }

    /** What makes it another run, but for the commit, and for the backend that is yet to be found. */
    private Map<String, Object> keys(JobConfig config) {
        Map<String, Object> keys = config.identity();
        keys.remove(ModelKeys.MODEL_NAME_OR_PATH.name());
        if (job.get(ModelKeys.BACKEND).equals("auto")) {
            keys.remove(ModelKeys.BACKEND.name());
        }
        return keys;
    }
}
