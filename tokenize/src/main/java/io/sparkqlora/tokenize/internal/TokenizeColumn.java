// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Tokenises one row: JSON text in, {@link #TYPE} out. */
public final class TokenizeColumn implements UDF1<String, Row> {

    private static final DataType INTS = DataTypes.createArrayType(DataTypes.IntegerType, false);

    /** Token ids and labels, or why there are none. */
    public static final StructType TYPE =
            new StructType().add("input_ids", INTS).add("labels", INTS).add("rejection", DataTypes.StringType);

    private static final long serialVersionUID = 1L;

    private final RowShape shape;
    private final ExampleTokenizer.Source tokenizers;

    public TokenizeColumn(RowShape shape, ExampleTokenizer.Source tokenizers) {
        this.shape = shape;
        this.tokenizers = tokenizers;
    }

    @Override
    public Row call(String json) {
        Outcome outcome = outcome(json);
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

    private static Row rejected(Outcome.Rejected rejected) {
        return RowFactory.create(null, null, rejected.reason() + ": " + rejected.detail());
    }
}
