// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.tokenize.internal.ProcessTokenizers;
import io.sparkqlora.tokenize.internal.RowShape;
import io.sparkqlora.tokenize.internal.RowShapes;
import io.sparkqlora.tokenize.internal.SourceText;
import io.sparkqlora.tokenize.internal.TokenizeColumn;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;

/**
 * Tokenises rows where they stand: a column that is computed when it is read, of each row its token ids and labels, or why there
 * are none. What {@link Tokenization} makes of these columns is what it makes of the rows themselves.
 */
public final class TokenColumns {

    /** {@code input_ids} and {@code labels}, arrays of integers; {@code rejection}, a text, where they are null. */
    public static final StructType TYPE = TokenizeColumn.TYPE;

    /** The same of preferences: both sequences, one after the other, and {@code sequence_lengths}, the tokens of each. */
    public static final StructType PAIR_TYPE = TokenizeColumn.PAIR_TYPE;

    /** Equal columns are one function, so that Spark sees that two queries are the same. */
    private static final Map<Key, UserDefinedFunction> FUNCTIONS = new ConcurrentHashMap<>();

    private record Key(String application, RowShape shape, String tokenizer, ConversationTokenizer.Settings settings) {}

    private TokenColumns() {}

    /**
     * The column of some rows.
     *
     * @param tokenizer its folder is read here; executors get the files from here
     * @param options which columns, which template, how long; packing and groups don't matter
     * @param addGenerationPrompt whether rows are prompts to be continued: a conversation goes up to where the assistant is to
     *     speak, of a pair the prompt is taken, a text has no end-of-sequence token, and no label counts
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D052, D053, D060 when the columns don't fit; D003, D004, D006 when the
     *     tokenizer or its template doesn't
     */
    public static Column of(
            Dataset<Row> rows, TextTokenizer tokenizer, TokenizeOptions options, boolean addGenerationPrompt) {
        return of(SourceRows.of(rows, "dataframe"), tokenizer, options, addGenerationPrompt);
    }

    /** As {@link #of(Dataset, TextTokenizer, TokenizeOptions, boolean)}, of a source's rows, which may be the text of JSON. */
    public static Column of(
            SourceRows source, TextTokenizer tokenizer, TokenizeOptions options, boolean addGenerationPrompt) {
        RowShape shape = shape(source, options, addGenerationPrompt);
        ConversationTokenizer.Settings settings = Tokenization.settings(options, addGenerationPrompt);
        Tokenization.check(tokenizer, settings, shape);
        SparkSession spark = source.rows().sparkSession();
        Key key = new Key(spark.sparkContext().applicationId(), shape, tokenizer.sha256(), settings);
        UserDefinedFunction function = FUNCTIONS.computeIfAbsent(
                key, missing -> function(shape, Tokenization.broadcast(spark, tokenizer, settings)));
        return function.apply(
                source.jsonText() ? col(source.rows().columns()[0]) : SourceText.json(source.rows(), shape));
    }

    /**
     * Checks that rows have the columns.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D052, D053, D060 if not
     */
    public static void check(Dataset<Row> rows, TokenizeOptions options, boolean addGenerationPrompt) {
        shape(SourceRows.of(rows, "dataframe"), options, addGenerationPrompt);
    }

    private static RowShape shape(SourceRows source, TokenizeOptions options, boolean addGenerationPrompt) {
        return addGenerationPrompt ? RowShapes.ofPrompts(source, options) : RowShapes.of(source, options);
    }

    private static UserDefinedFunction function(RowShape shape, ProcessTokenizers tokenizers) {
        return functions.udf(new TokenizeColumn(shape, tokenizers), TokenizeColumn.type(shape));
    }
}
