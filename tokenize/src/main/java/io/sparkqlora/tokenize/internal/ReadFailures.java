// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.spark.SparkThrowable;

/** Turns what Spark throws about files it can't read into one line that names the file. */
public final class ReadFailures {

    private static final Set<String> PATH_PARAMETERS = Set.of("path", "file", "filename", "filepath");

    private ReadFailures() {}

    /** Runs a query; failures to read and this project's own errors within come out as {@link QLoraException}s. */
    public static <T> T translating(String source, Supplier<T> query) {
        try {
            return query.get();
        } catch (QLoraException e) {
            throw e;
        } catch (Exception e) {
            // Spark's Scala code throws checked exceptions without declaring them
            throw translate(source, e);
        }
    }

    private static RuntimeException translate(String source, Exception failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof QLoraException own) {
                return own;
            }
            if (cause instanceof SparkThrowable spark && spark.getCondition() != null) {
                QLoraException error = translate(source, spark, failure);
                if (error != null) {
                    return error;
                }
            }
        }
        return failure instanceof RuntimeException runtime ? runtime : new IllegalStateException(failure);
    }

    private static QLoraException translate(String source, SparkThrowable spark, Exception failure) {
        String condition = spark.getCondition();
        if (condition.startsWith("DATA_SOURCE_NOT_FOUND")) {
            return TokenizeErrors.noDelta(source, failure);
        }
        if (condition.startsWith("FAILED_READ_FILE") || condition.startsWith("CANNOT_READ_FILE")) {
            return TokenizeErrors.unreadable(file(spark, source), deepest(failure), failure);
        }
        if (condition.startsWith("PATH_NOT_FOUND")) {
            return TokenizeErrors.sourceMissing(source);
        }
        return null;
    }

    private static String file(SparkThrowable spark, String source) {
        return spark.getMessageParameters().entrySet().stream()
                .filter(entry -> PATH_PARAMETERS.contains(entry.getKey().toLowerCase(Locale.ROOT)))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(source);
    }

    /** The first line of the innermost cause: what the file's own reader said. */
    private static String deepest(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String message = cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
        return message.lines().findFirst().orElse("no reason given");
    }
}
