// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.sum;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.DataPart;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.observe.JobGroup;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.tokenize.SourceMix;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.tokenize.TokenStatistics;
import io.sparkqlora.tokenize.Tokenization;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntConsumer;
import org.apache.spark.sql.Row;

/** Sees to it that a source is in token_shards: the same source, tokenizer, template and options are never tokenised twice. */
public final class TokenDatasets {

    private final Workspace work;
    private final String source;
    private final SourceMix rows;
    private final TokenizeOptions options;
    private final IntConsumer check;

    private TokenDatasets(Workspace work, String source, SourceMix rows, TokenizeOptions options, IntConsumer check) {
        this.work = work;
        this.source = source;
        this.rows = rows;
        this.options = options;
        this.check = check;
    }

    /**
     * The data set of a part of a job's rows, made now unless it is there.
     *
     * @param check gets the tokens of the longest row before anything is written; throws if they are too many
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the source can't be read or has no usable row; nothing is written
     *     then
     */
    public static TokenData prepare(Workspace work, DataPart part, IntConsumer check) {
        JobConfig config = work.config();
        DataPart.check(config);
        SourceMix rows = part.read(work.spark(), config);
        return new TokenDatasets(work, part.source(config), rows, part.options(config), check).prepare();
    }

    /** As {@link #prepare(Workspace, DataPart, IntConsumer)}, of rows that are at hand. */
    public static TokenData prepare(Workspace work, DataPart part, SourceRows rows, IntConsumer check) {
        SourceMix mix = SourceMix.concatenated(List.of(rows));
        return new TokenDatasets(work, rows.lineage().identity(), mix, part.options(work.config()), check).prepare();
    }

    private TokenData prepare() {
        JobConfig config = work.config();
        Path folder = BaseFolder.of(config, BasePart.TOKENIZER);
        try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
            Optional<TokenData> there = Tokenization.datasetId(rows, tokenizer, options)
                    .flatMap(id -> find(id, rows.lineage().version(), tokenizer.sha256(), true));
            there.ifPresent(data -> check.accept(data.maxNumTokens()));
            return there.orElseGet(() -> make(tokenizer));
        }
    }

    private TokenData make(TextTokenizer tokenizer) {
        work.tables().requireWritable();
        work.observer().onMessage("tokenising " + source);
        try (JobGroup group = JobGroup.open(work.spark().sparkContext(), "tokenize", "tokenize " + source);
                TokenizationResult result = Tokenization.run(work.spark(), rows, tokenizer, options)) {
            Objects.requireNonNull(group);
            check.accept(result.statistics().maxNumTokens());
            // a new table surely gets the rows; one that was there may have had them once, and drops them then
            boolean anew = !work.tables().exists(Table.TOKEN_SHARDS);
            write(result);
            report(result.statistics());
            if (anew) {
                return data(result, tokenizer.sha256());
            }
            String id = result.datasetId();
            return find(id, result.lineage().version(), tokenizer.sha256(), false)
                    .orElseThrow(() -> new IllegalStateException("dataset " + id + " was written and is not there"));
        }
    }

    private void write(TokenizationResult result) {
        JobTables tables = work.tables();
        String id = result.datasetId();
        if (result.statistics().rejectedRows() == 0) {
            tables.create(Table.REJECTED_ROWS);
        } else {
            tables.append(Table.REJECTED_ROWS, result.rejected(), "spark-qlora:" + id + ":rejected_rows", 0);
        }
        // the shards come last: where they are, everything is
        tables.append(Table.TOKEN_SHARDS, result.shards(), "spark-qlora:" + id + ":token_shards", 0);
    }

    private TokenData data(TokenizationResult result, String tokenizerHash) {
        TokenStatistics statistics = result.statistics();
        return new TokenData(
                result.datasetId(),
                source,
                result.lineage().version(),
                tokenizerHash,
                statistics.packedRows(),
                statistics.maxNumTokens(),
                statistics.tokens(),
                statistics.targetTokens(),
                statistics.rejectedRows(),
                result.groups(),
                false);
    }

    private void report(TokenStatistics statistics) {
        work.observer()
                .onMessage(statistics.rows() + " rows: " + statistics.sequences() + " sequences, "
                        + statistics.tokens() + " tokens (" + statistics.targetTokens() + " count) in "
                        + statistics.packedRows() + " packed rows; " + statistics.truncatedSequences() + " cut, "
                        + statistics.rejectedRows() + " rejected " + statistics.rejectedByReason());
    }

    private Optional<TokenData> find(String id, String version, String tokenizerHash, boolean reused) {
        JobTables tables = work.tables();
        if (!tables.exists(Table.TOKEN_SHARDS)) {
            return Optional.empty();
        }
        Row totals = tables.read(Table.TOKEN_SHARDS)
                .where(col("dataset_id").equalTo(id))
                .agg(count(lit(1)), max("num_tokens"), sum("num_tokens"), sum("num_target_tokens"))
                .first();
        if (totals.getLong(0) == 0) {
            return Optional.empty();
        }
        long rejected = tables.read(Table.REJECTED_ROWS)
                .where(col("dataset_id").equalTo(id))
                .count();
        return Optional.of(new TokenData(
                id,
                source,
                version,
                tokenizerHash,
                totals.getLong(0),
                totals.getInt(1),
                totals.getLong(2),
                totals.getLong(3),
                rejected,
                work.config().has(GroupKeys.GROUP_BY) ? StoredGroups.of(tables, id) : List.of(),
                reused));
    }
}
