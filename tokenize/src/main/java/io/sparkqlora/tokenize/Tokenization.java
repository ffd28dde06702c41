// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.Hashes;
import io.sparkqlora.tokenize.internal.ProcessTokenizers;
import io.sparkqlora.tokenize.internal.RowShape;
import io.sparkqlora.tokenize.internal.RowShapes;
import io.sparkqlora.tokenize.internal.Tokenizing;
import java.io.IOException;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.apache.spark.sql.SparkSession;

/**
 * The job that makes token shards of a source's rows.
 *
 * <p>Which rows come out, and their order, is a function of the multiset of rows that go in, the tokenizer and the options:
 * files, partitions and executors don't matter. It is not the source's order; see
 * {@link io.sparkqlora.tokenize.internal.TokenizeJob}. The last tokens of a sequence longer than {@code max_seq_length} are
 * cut off.
 */
public final class Tokenization {

    /** Changes whenever the same input would give other rows. */
    private static final String LAYOUT = "token-shards-1";

    private Tokenization() {}

    /**
     * Tokenises and packs. Each source row is read and tokenised once; the rows that come out are cached until the result is
     * closed.
     *
     * @param tokenizer its folder is read here; executors get the files from here
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D052, D053, D060 when the columns don't fit; D003, D004, D006 when
     *     the tokenizer or its template doesn't; D054 when a file can't be read; D055 for an empty source; D056 for one with
     *     no usable row
     */
    public static TokenizationResult run(
            SparkSession spark, SourceRows source, TextTokenizer tokenizer, TokenizeOptions options) {
        return run(spark, SourceMix.concatenated(List.of(source)), tokenizer, options);
    }

    /** As {@link #run(SparkSession, SourceRows, TextTokenizer, TokenizeOptions)}, of several sources. */
    public static TokenizationResult run(
            SparkSession spark, SourceMix mix, TextTokenizer tokenizer, TokenizeOptions options) {
        ConversationTokenizer.Settings settings = settings(options, false);
        List<RowShape> shapes = mix.sources().stream()
                .map(source -> RowShapes.of(source, options))
                .toList();
        shapes.forEach(shape -> check(tokenizer, settings, shape));
        return new Tokenizing(spark, options)
                .run(mix, shapes, broadcast(spark, tokenizer, settings), lineage -> id(lineage, tokenizer, options));
    }

    /**
     * The id that the rows of a source will have, to find out whether they exist already.
     *
     * @return empty when only the content tells the source's version
     */
    public static Optional<String> datasetId(SourceRows source, TextTokenizer tokenizer, TokenizeOptions options) {
        return datasetId(SourceMix.concatenated(List.of(source)), tokenizer, options);
    }

    /** As {@link #datasetId(SourceRows, TextTokenizer, TokenizeOptions)}, of several sources. */
    public static Optional<String> datasetId(SourceMix mix, TextTokenizer tokenizer, TokenizeOptions options) {
        Lineage lineage = mix.lineage();
        return lineage.versioned() ? Optional.of(id(lineage, tokenizer, options)) : Optional.empty();
    }

    private static String id(Lineage lineage, TextTokenizer tokenizer, TokenizeOptions options) {
        return Hashes.hex(String.join(
                "\n",
                LAYOUT,
                lineage.identity(),
                lineage.version(),
                tokenizer.sha256(),
                tokenizer.chatTemplate().orElse(""),
                Objects.toString(options)));
    }

    static ConversationTokenizer.Settings settings(TokenizeOptions options, boolean addGenerationPrompt) {
        return new ConversationTokenizer.Settings(
                options.chatTemplate(),
                options.chatTemplateDate(),
                options.wrapped() && !addGenerationPrompt ? Integer.MAX_VALUE : options.maxSeqLength(),
                options.assistantOnlyLoss(),
                options.completionOnlyLoss(),
                addGenerationPrompt);
    }

    /** What every task would find wrong is found here first, where the tokenizer's folder has its name. */
    static void check(TextTokenizer tokenizer, ConversationTokenizer.Settings settings, RowShape shape) {
        new ConversationTokenizer(tokenizer, settings);
        if (shape.kind() == RowShape.Kind.TOKENS) {
            return;
        }
        if (!shape.kind().chat()) {
            tokenizer.eosToken();
        } else if (settings.chatTemplate() == null) {
            tokenizer.requireChatTemplate();
        }
    }

    static ProcessTokenizers broadcast(
            SparkSession spark, TextTokenizer tokenizer, ConversationTokenizer.Settings settings) {
        try {
            return ProcessTokenizers.broadcast(spark, tokenizer, settings);
        } catch (IOException e) {
            throw TokenizeErrors.badTokenizerFile(tokenizer.dir(), e.getMessage(), e);
        }
    }
}
