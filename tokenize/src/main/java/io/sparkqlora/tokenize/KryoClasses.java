// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.List;
import java.util.stream.Stream;

/**
 * What a session needs to register where {@code spark.kryo.registrationRequired} is set: Spark doesn't register the classes
 * of its own that this job makes it serialise. Cached rows are serialised when memory is short, and a Parquet file's schema
 * when a source is resolved.
 */
public final class KryoClasses {

    private static final String TYPES = "org.apache.spark.sql.types.";

    private static final List<String> CACHE = List.of(
            "org.apache.spark.sql.execution.columnar.DefaultCachedBatch",
            "org.apache.spark.sql.catalyst.expressions.GenericInternalRow",
            "org.apache.spark.unsafe.types.UTF8String",
            "[[B",
            "[Ljava.lang.Object;");

    private static final List<String> SCHEMAS = List.of(
            "StructType",
            "StructField",
            "Metadata",
            "ArrayType",
            "MapType",
            "StringType",
            "StringType$",
            "CharType",
            "VarcharType",
            "VariantType",
            "VariantType$",
            "BinaryType",
            "BinaryType$",
            "BooleanType",
            "BooleanType$",
            "ByteType",
            "ByteType$",
            "ShortType",
            "ShortType$",
            "IntegerType",
            "IntegerType$",
            "LongType",
            "LongType$",
            "FloatType",
            "FloatType$",
            "DoubleType",
            "DoubleType$",
            "DecimalType",
            "DateType",
            "DateType$",
            "TimestampType",
            "TimestampType$",
            "TimestampNTZType",
            "TimestampNTZType$",
            "DayTimeIntervalType",
            "YearMonthIntervalType",
            "NullType",
            "NullType$");

    private KryoClasses() {}

    /** Names for {@code spark.kryo.classesToRegister}. */
    public static List<String> names() {
        return Stream.of(CACHE.stream(), SCHEMAS.stream().map(TYPES::concat), Stream.of("[L" + TYPES + "StructField;"))
                .flatMap(names -> names)
                .toList();
    }
}
