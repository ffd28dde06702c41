// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.Lineage;
import io.sparkqlora.tokenize.SourceMix;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenStatistics;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeErrors;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.List;
import java.util.function.Function;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;

/** Runs the job's queries in their order: tokenise once, count, pack once, number. */
public final class Tokenizing {

    private final SparkSession spark;
    private final TokenizeOptions options;
    private final TokenizeJob job;

    public Tokenizing(SparkSession spark, TokenizeOptions options) {
        this(spark, options, TokenizeJob.windowTokens(options));
    }

    Tokenizing(SparkSession spark, TokenizeOptions options, long windowTokens) {
        this.spark = spark;
        this.options = options;
        this.job = new TokenizeJob(spark, options, windowTokens);
    }

    /**
     * Runs the job.
     *
     * @param datasetId makes the id, once the lineage is complete
     */
    public TokenizationResult run(
            SourceRows source,
            RowShape shape,
            ExampleTokenizer.Source tokenizers,
            Function<Lineage, String> datasetId) {
        return run(SourceMix.concatenated(List.of(source)), List.of(shape), tokenizers, datasetId);
    }

    /**
     * Runs the job over several sources.
     *
     * @param shapes of each source's rows
     * @param datasetId makes the id, once the lineage is complete
     */
    public TokenizationResult run(
            SourceMix mix,
            List<RowShape> shapes,
            ExampleTokenizer.Source tokenizers,
            Function<Lineage, String> datasetId) {
        Dataset<Row> tokenized = tokenize(mix, shapes, tokenizers).persist(StorageLevel.MEMORY_AND_DISK());
        try {
            return pack(mix.lineage(), tokenized, datasetId);
        } catch (RuntimeException e) {
            tokenized.unpersist();
            throw e;
        }
    }

    private Dataset<Row> tokenize(SourceMix mix, List<RowShape> shapes, ExampleTokenizer.Source tokenizers) {
        Dataset<Row> all = null;
        for (int i = 0; i < shapes.size(); i++) {
            RowShape shape = shapes.get(i);
            RowShare share = new RowShare(mix.copies().get(i), options.split());
            Dataset<Row> text = SourceText.of(spark, mix.sources().get(i), shape);
            Dataset<Row> part = job.tokenize(text, shape, share, tokenizers);
            all = all == null ? part : all.unionAll(part);
        }
        return all;
    }

    private TokenizationResult pack(Lineage source, Dataset<Row> tokenized, Function<Lineage, String> datasetId) {
        TokenizeCounts counts = ReadFailures.translating(
                source.identity(), () -> TokenizeCounts.of(tokenized, options.groups() != null));
        requireSequences(source, counts);
        Lineage lineage =
                source.versioned() ? source : new Lineage(source.identity(), "content:" + counts.contentHash());
        String id = datasetId.apply(lineage);
        PackPlan plan = job.plan(counts);
        WindowGroups groups = new WindowGroups(plan, counts.groups());
        Dataset<Row> packed = job.pack(tokenized, plan).persist(StorageLevel.MEMORY_AND_DISK());
        try {
            List<Row> windows = job.rowsOfWindows(packed);
            return new TokenizationResult(
                    id,
                    lineage,
                    job.shards(packed, windows, groups, id),
                    TokenizeJob.rejected(tokenized, id),
                    statistics(counts, windows),
                    groups.all(windows),
                    () -> {
                        packed.unpersist();
                        tokenized.unpersist();
                    });
        } catch (RuntimeException e) {
            packed.unpersist();
            throw e;
        }
    }

    private static void requireSequences(Lineage source, TokenizeCounts counts) {
        // as people write it, without the format and the scheme of local files
        String location = source.identity().replaceFirst("^[a-z]+:(file:)?(?=.)", "");
        if (counts.rows() == 0) {
            throw TokenizeErrors.emptySource(location);
        }
        if (counts.sequences() == 0) {
            throw TokenizeErrors.noUsableRow(location, counts.rows(), counts.rejected(), counts.example());
        }
    }

    private TokenStatistics statistics(TokenizeCounts counts, List<Row> windows) {
        long packedRows =
                windows.stream().mapToLong(window -> window.getLong(1)).sum();
        return new TokenStatistics(
                counts.rows(),
                counts.rows() - counts.sequences(),
                counts.rejected(),
                counts.sequences(),
                counts.truncated(),
                packedRows,
                windows.stream().mapToInt(window -> window.getInt(2)).max().orElse(0),
                counts.tokens(),
                counts.targetTokens(),
                (double) counts.tokens() / ((double) packedRows * options.rowCapacity()));
    }
}
