// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The tables that tokenising makes, and in whose rows it meets training. Columns are only ever added. */
public final class TokenShards {

    private static final DataType INTS = DataTypes.createArrayType(DataTypes.IntegerType, false);

    /**
     * {@code token_shards}: one packed row each.
     *
     * <ul>
     *   <li>{@code dataset_id}: which source, tokenizer, template and options;
     *   <li>{@code row_index}: 0…n−1 within the dataset, each once;
     *   <li>{@code num_tokens}, {@code num_target_tokens}: tokens, and those of them that count in the loss;
     *   <li>{@code num_sequences}, {@code sequence_lengths}: the sequences that the row holds, one after the other;
     *   <li>{@code group_key}: the group of all its sequences; null where rows have no groups;
     *   <li>{@code hyperparameters}: what the group's rows say, see {@link TokenGroup#hyperparameters};
     *   <li>{@code input_ids}: token ids of all its sequences;
     *   <li>{@code labels}: each token's own id, or −100 where it doesn't count; the first token of a sequence never does.
     *   <li>{@code num_pairs}: pairs of a chosen and a rejected sequence, one after the other; null where rows are no preferences.
     * </ul>
     */
    public static final StructType SCHEMA = new StructType()
            .add("dataset_id", DataTypes.StringType)
            .add("row_index", DataTypes.LongType)
            .add("num_tokens", DataTypes.IntegerType)
            .add("num_target_tokens", DataTypes.IntegerType)
            .add("num_sequences", DataTypes.IntegerType)
            .add("group_key", DataTypes.StringType)
            .add("hyperparameters", DataTypes.StringType)
            .add("sequence_lengths", INTS)
            .add("input_ids", INTS)
            .add("labels", INTS)
            .add("num_pairs", DataTypes.IntegerType);

    /**
     * {@code rejected_rows}: {@code source_row} is JSON, cut at 2,000 characters (of tables, the columns that were read),
     * {@code reason} one of a few fixed words, {@code detail} a sentence, {@code group_key} the row's group, if it has one.
     */
    public static final StructType REJECTED_SCHEMA = new StructType()
            .add("dataset_id", DataTypes.StringType)
            .add("source_row", DataTypes.StringType)
            .add("reason", DataTypes.StringType)
            .add("detail", DataTypes.StringType)
            .add("group_key", DataTypes.StringType);

    private TokenShards() {}
}
