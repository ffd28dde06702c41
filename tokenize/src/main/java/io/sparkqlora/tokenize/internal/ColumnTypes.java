// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.GroupColumns;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeErrors;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.VariantType;

/** Whether the columns of a table can hold what its row shape says; of JSON each row is looked at instead. */
final class ColumnTypes {

    private ColumnTypes() {}

    static void check(SourceRows source, RowShape shape) {
        shape.exampleColumns().forEach(column -> check(source, shape, column));
        if (shape.groups() != null) {
            check(source, shape.groups());
        }
    }

    /** Whether a column of a table holds a list. */
    static boolean list(SourceRows source, String column) {
        return !source.jsonText() && type(source, column) instanceof ArrayType;
    }

    private static void check(SourceRows source, GroupColumns groups) {
        DataType key = type(source, groups.key());
        if (!(key instanceof StringType || key instanceof NumericType)) {
            throw TokenizeErrors.wrongType(groups.key(), key.simpleString(), "a string or a number");
        }
        DataType settings = groups.hyperparameters() == null ? null : type(source, groups.hyperparameters());
        boolean object = settings instanceof StructType
                || settings instanceof StringType
                || settings instanceof VariantType
                || (settings instanceof MapType map && map.keyType() instanceof StringType);
        if (settings != null && !object) {
            throw TokenizeErrors.wrongType(
                    groups.hyperparameters(),
                    settings.simpleString(),
                    "a struct, a map of strings, or a JSON object as a string");
        }
    }

    private static DataType type(SourceRows source, String column) {
        return source.rows().schema().apply(column).dataType();
    }

    private static void check(SourceRows source, RowShape shape, String column) {
        DataType type = type(source, column);
        if (shape.kind() == RowShape.Kind.TOKENS) {
            requireIntegers(column, type);
            return;
        }
        boolean text = type instanceof StringType || type instanceof VariantType;
        boolean list = shape.kind().lists() && type instanceof ArrayType;
        if (!text && !list) {
            throw TokenizeErrors.wrongType(column, type.simpleString(), wanted(shape.kind()));
        }
    }

    private static String wanted(RowShape.Kind kind) {
        if (kind == RowShape.Kind.PROMPT_COMPLETION || kind == RowShape.Kind.PREFERENCE) {
            return "a string, or an array of structs";
        }
        return kind.lists() ? "an array of structs, or its JSON as a string" : "a string";
    }

    private static void requireIntegers(String column, DataType type) {
        if (!(type instanceof ArrayType array && array.elementType() instanceof IntegerType)) {
            throw TokenizeErrors.wrongType(column, type.simpleString(), "an array of integers");
        }
    }
}
