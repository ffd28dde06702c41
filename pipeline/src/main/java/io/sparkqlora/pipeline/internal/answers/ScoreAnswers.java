// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** What was expected, and what was answered → how near that is; null where there is no answer. */
final class ScoreAnswers implements UDF2<String, String, Row> {

    static final StructType TYPE = new StructType()
            .add("exact_match", DataTypes.BooleanType)
            .add("rouge1", DataTypes.DoubleType)
            .add("rouge2", DataTypes.DoubleType)
            .add("rougeL", DataTypes.DoubleType);

    private static final long serialVersionUID = 1L;

    @Override
    public Row call(String expected, String answer) {
        if (expected == null || answer == null) {
            return null;
        }
        Rouge rouge = Rouge.of(expected, answer);
        return RowFactory.create(
                expected.strip().equals(answer.strip()), rouge.rouge1(), rouge.rouge2(), rouge.rougeL());
    }
}
