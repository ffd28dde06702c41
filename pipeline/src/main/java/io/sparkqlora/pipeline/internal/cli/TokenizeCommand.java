// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.job.TrainJob;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;

/** {@code qlora tokenize}. */
@Command(name = "tokenize", description = "Makes token shards of the job's dataset, unless they are there.")
final class TokenizeCommand extends JobCommand {

    TokenizeCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        Workspace work = Workspace.open(spark, config, new ProgressLine(console.err(), false));
        TokenData data = TrainJob.tokenize(work);
        console.err()
                .println((data.reused() ? "already tokenised: " : "tokenised: ") + data.rows() + " packed rows, "
                        + data.numTokens() + " tokens, " + data.rejectedRows() + " rows rejected");
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("dataset_id", data.datasetId());
        outcome.put("dataset", data.source());
        outcome.put("dataset_version", data.version());
        outcome.put("reused", data.reused());
        outcome.put("packed_rows", data.rows());
        outcome.put("num_tokens", data.numTokens());
        outcome.put("num_target_tokens", data.numTargetTokens());
        outcome.put("rejected_rows", data.rejectedRows());
        if (config.has(GroupKeys.GROUP_BY)) {
            outcome.put("groups", data.groups().size());
        }
        outcome.put("token_shards", work.tables().path(Table.TOKEN_SHARDS));
        outcome.put("rejected_rows_table", work.tables().path(Table.REJECTED_ROWS));
        return outcome;
    }
}
