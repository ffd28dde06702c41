// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;

/**
 * A column of a table.
 *
 * @param name name
 * @param type Spark type
 * @param comment what it holds, in one sentence
 */
public record Column(String name, DataType type, String comment) {

    static Column text(String name, String comment) {
        return new Column(name, DataTypes.StringType, comment);
    }

    static Column whole(String name, String comment) {
        return new Column(name, DataTypes.LongType, comment);
    }

    static Column small(String name, String comment) {
        return new Column(name, DataTypes.IntegerType, comment);
    }

    static Column number(String name, String comment) {
        return new Column(name, DataTypes.DoubleType, comment);
    }

    static Column time(String name, String comment) {
        return new Column(name, DataTypes.TimestampType, comment);
    }

    static Column bytes(String name, String comment) {
        return new Column(name, DataTypes.BinaryType, comment);
    }

    static Column list(String name, DataType element, String comment) {
        return new Column(name, DataTypes.createArrayType(element, false), comment);
    }

    /** Every column may be null, so that adding one changes no older row. */
    StructField field() {
        return DataTypes.createStructField(name, type, true).withComment(comment);
    }
}
