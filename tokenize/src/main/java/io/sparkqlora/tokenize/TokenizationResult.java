// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * Token shards, ready to be written. What they are made of is cached on the executors until {@link #close}; write both tables
 * before that.
 *
 * @param datasetId hash of the source's lineage, the tokenizer, the template and the options
 * @param lineage of the source; its version is set
 * @param shards the rows of {@code token_shards}, see {@link TokenShards#SCHEMA}; in no order
 * @param rejected the rows of {@code rejected_rows}, see {@link TokenShards#REJECTED_SCHEMA}; in no order
 * @param statistics what became of the source's rows
 * @param groups every group, by key; empty where rows have none
 * @param cache closes the cached intermediate rows
 */
public record TokenizationResult(
        String datasetId,
        Lineage lineage,
        Dataset<Row> shards,
        Dataset<Row> rejected,
        TokenStatistics statistics,
        List<TokenGroup> groups,
        Runnable cache)
        implements AutoCloseable {

    /** Frees the cached rows; {@link #shards} and {@link #rejected} would be computed again if read afterwards. */
    @Override
    public void close() {
        cache.run();
    }
}
