// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Tokenises one row: JSON text in, {@link #TYPE} or {@link #PAIR_TYPE} out. */
public final class TokenizeColumn implements UDF1<String, Row> {

    private static final DataType INTS = DataTypes.createArrayType(DataTypes.IntegerType, false);

    /** Token ids and labels, or why there are none. */
    public static final StructType TYPE =
            new StructType().add("input_ids", INTS).add("labels", INTS).add("rejection", DataTypes.StringType);

    /** The same of two sequences, one after the other, with the tokens of each. */
    public static final StructType PAIR_TYPE = TYPE.add("sequence_lengths", INTS);

    private static final long serialVersionUID = 1L;

    private final RowShape shape;
    private final ExampleTokenizer.Source tokenizers;

    public TokenizeColumn(RowShape shape, ExampleTokenizer.Source tokenizers) {
        this.shape = shape;
        this.tokenizers = tokenizers;
    }

    /** What comes out of rows of a shape. */
    public static StructType type(RowShape shape) {
        return shape.pairs() ? PAIR_TYPE : TYPE;
    }

    @Override
    public Row call(String json) {
        Outcome outcome = outcome(json);
        if (outcome instanceof Outcome.Pair pair) {
            int[] lengths = {pair.first(), pair.inputIds().length - pair.first()};
            return RowFactory.create(pair.inputIds(), pair.labels(), null, lengths);
        }
        return outcome instanceof Outcome.Tokenized tokenized
                ? RowFactory.create(tokenized.inputIds(), tokenized.labels(), null)
                : rejected((Outcome.Rejected) outcome);
    }

    private Outcome outcome(String json) {
        try {
            return tokenizers.open().tokenize(new RowParser(shape).parse(json));
        } catch (RejectedRow e) {
            return e.outcome();
        }
    }

    private Row rejected(Outcome.Rejected rejected) {
        String why = rejected.reason() + ": " + rejected.detail();
        return shape.pairs() ? RowFactory.create(null, null, why, null) : RowFactory.create(null, null, why);
    }
}
