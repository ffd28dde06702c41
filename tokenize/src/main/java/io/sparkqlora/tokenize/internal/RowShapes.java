// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.GroupColumns;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeErrors;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.List;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.IntegerType;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.types.VariantType;

/**
 * Decides a source's row shape: what the options name, else {@code messages}, {@code prompt}+{@code completion}, {@code text},
 * {@code input_ids}+{@code labels}.
 */
public final class RowShapes {

    private static final String MESSAGES = "messages";
    private static final String TOOLS = "tools";
    private static final String PROMPT = "prompt";
    private static final String COMPLETION = "completion";
    private static final String TEXT = "text";
    private static final String INPUT_IDS = "input_ids";
    private static final String LABELS = "labels";

    private RowShapes() {}

    /**
     * The shape of a source's rows.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D052 for a named column that isn't there, D053 when no name fits,
     *     D060 for a column of a type that can't hold the shape
     */
    public static RowShape of(SourceRows source, TokenizeOptions options) {
        RowShape shape = shape(source.columns(), options);
        GroupColumns groups = options.groups();
        if (groups != null) {
            require("group_by", groups.key(), source.columns());
        }
        if (groups != null && groups.hyperparameters() != null) {
            require("group_hyperparameters", groups.hyperparameters(), source.columns());
        }
        if (!source.jsonText()) {
            shape.exampleColumns().forEach(column -> checkType(source, shape, column));
            checkTypes(source, groups);
        }
        return shape.groupedBy(groups);
    }

    /**
     * The shape of prompts: a conversation, a prompt whose completion is to be written, or the beginning of a text.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #of}
     */
    public static RowShape ofPrompts(SourceRows source, TokenizeOptions options) {
        List<String> columns = source.columns();
        boolean named = options.messagesColumn() != null || options.textColumn() != null;
        String prompt = options.promptColumn() == null ? PROMPT : options.promptColumn();
        boolean pair =
                options.promptColumn() != null || (!named && !columns.contains(MESSAGES) && columns.contains(prompt));
        if (pair) {
            require("prompt_column", prompt, columns);
        }
        RowShape shape = pair ? new RowShape(RowShape.Kind.TEXT, prompt, null) : shape(columns, options);
        shape.exampleColumns().forEach(column -> checkType(source, shape, column));
        return shape;
    }

    private static RowShape shape(List<String> columns, TokenizeOptions options) {
        if (options.messagesColumn() != null) {
            return messages(options.messagesColumn(), columns, options);
        }
        if (options.promptColumn() != null) {
            return promptCompletion(options.promptColumn(), options.completionColumn(), columns);
        }
        if (options.textColumn() != null) {
            return text(options.textColumn(), columns);
        }
        return shapeByName(columns, options);
    }

    private static RowShape shapeByName(List<String> columns, TokenizeOptions options) {
        if (columns.contains(MESSAGES)) {
            return messages(MESSAGES, columns, options);
        }
        if (columns.contains(PROMPT) && columns.contains(COMPLETION)) {
            return promptCompletion(PROMPT, COMPLETION, columns);
        }
        if (columns.contains(TEXT)) {
            return text(TEXT, columns);
        }
        if (columns.contains(INPUT_IDS) && columns.contains(LABELS)) {
            return new RowShape(RowShape.Kind.TOKENS, INPUT_IDS, LABELS);
        }
        throw TokenizeErrors.noShape(columns);
    }

    private static RowShape messages(String column, List<String> columns, TokenizeOptions options) {
        require("messages_column", column, columns);
        String tools = options.toolsColumn();
        if (tools != null) {
            require("tools_column", tools, columns);
        } else if (columns.contains(TOOLS)) {
            tools = TOOLS;
        }
        return new RowShape(RowShape.Kind.MESSAGES, column, tools);
    }

    private static RowShape promptCompletion(String prompt, String completion, List<String> columns) {
        require("prompt_column", prompt, columns);
        require("completion_column", completion, columns);
        return new RowShape(RowShape.Kind.PROMPT_COMPLETION, prompt, completion);
    }

    private static RowShape text(String column, List<String> columns) {
        require("text_column", column, columns);
        return new RowShape(RowShape.Kind.TEXT, column, null);
    }

    private static void require(String option, String column, List<String> columns) {
        if (!columns.contains(column)) {
            throw TokenizeErrors.noSuchColumn(option, column, columns, Nearest.of(column, columns));
        }
    }

    private static void checkTypes(SourceRows source, GroupColumns groups) {
        if (groups == null) {
            return;
        }
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

    private static void checkType(SourceRows source, RowShape shape, String column) {
        DataType type = type(source, column);
        if (shape.kind() == RowShape.Kind.TOKENS) {
            requireIntegers(column, type);
            return;
        }
        boolean text = type instanceof StringType || type instanceof VariantType;
        boolean list = shape.kind() == RowShape.Kind.MESSAGES && type instanceof ArrayType;
        if (!text && !list) {
            String wanted = shape.kind() == RowShape.Kind.MESSAGES
                    ? "an array of structs, or its JSON as a string"
                    : "a string";
            throw TokenizeErrors.wrongType(column, type.simpleString(), wanted);
        }
    }

    private static void requireIntegers(String column, DataType type) {
        if (!(type instanceof ArrayType array && array.elementType() instanceof IntegerType)) {
            throw TokenizeErrors.wrongType(column, type.simpleString(), "an array of integers");
        }
    }
}
