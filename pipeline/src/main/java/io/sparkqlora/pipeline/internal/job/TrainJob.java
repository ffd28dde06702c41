// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.data.TokenDatasets;
import io.sparkqlora.pipeline.internal.run.BaseModel;
import io.sparkqlora.pipeline.internal.run.RunDriver;
import io.sparkqlora.pipeline.internal.run.RunRecord;

/** Tokenises, if need be, and trains. */
public final class TrainJob {

    private TrainJob() {}

    /** The data of a job, in token_shards. */
    public static TokenData tokenize(Workspace work) {
        JobInputs.check(work.config());
        return TokenDatasets.prepare(work, work.config().get(ConfigKeys.DATASET), longest -> {});
    }

    /** A job's run, to its end. */
    public static RunRecord train(Workspace work) {
        JobConfig config = work.config();
        BaseModel base = JobInputs.check(config);
        int batch = config.get(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE);
        TokenData data = TokenDatasets.prepare(
                work,
                config.get(ConfigKeys.DATASET),
                longest -> JobInputs.requireMemory(config, base, Math.multiplyExact(batch, longest)));
        return new RunDriver(work.tables(), config, work.observer()).train(base, data);
    }
}
