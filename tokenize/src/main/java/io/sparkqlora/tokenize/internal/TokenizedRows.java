// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** The columns between tokenising and packing: a sequence, a pair of them, or a rejected row where {@link #REASON} isn't null. */
final class TokenizedRows {

    /** The first 128 bits of the SHA-256 of {@link #TOKENS}: the order of sequences, whatever order they were read in. */
    static final String KEY_0 = "key_0";

    static final String KEY_1 = "key_1";
    static final String NUM_TOKENS = "num_tokens";
    static final String NUM_TARGET_TOKENS = "num_target_tokens";
    static final String TRUNCATED = "truncated";

    /** Of a pair the tokens of its first sequence, the chosen one; null of one sequence. */
    static final String FIRST_TOKENS = "first_tokens";

    /** The sequence, or both of a pair, as {@link TokenBytes}. */
    static final String TOKENS = "tokens";

    static final String GROUP = "group_key";

    /** What the row says of its group, see {@link RowGroup}. */
    static final String HYPERPARAMETERS = "hyperparameters";

    static final String REASON = "reason";
    static final String DETAIL = "detail";
    static final String SOURCE_ROW = "source_row";

    static final StructType SCHEMA = new StructType()
            .add(KEY_0, DataTypes.LongType)
            .add(KEY_1, DataTypes.LongType)
            .add(NUM_TOKENS, DataTypes.IntegerType)
            .add(NUM_TARGET_TOKENS, DataTypes.IntegerType)
            .add(TRUNCATED, DataTypes.BooleanType)
            .add(FIRST_TOKENS, DataTypes.IntegerType)
            .add(GROUP, DataTypes.StringType)
            .add(HYPERPARAMETERS, DataTypes.StringType)
            .add(REASON, DataTypes.StringType)
            .add(DETAIL, DataTypes.StringType)
            .add(SOURCE_ROW, DataTypes.StringType)
            .add(TOKENS, DataTypes.BinaryType);

    private TokenizedRows() {}
}
