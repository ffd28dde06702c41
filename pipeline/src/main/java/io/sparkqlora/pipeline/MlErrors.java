// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.List;

/** What goes wrong with MLlib's stages. Codes P110–P119; the rest of this module's errors is in {@link PipelineErrors}. */
public final class MlErrors {

    private MlErrors() {}

    /** A param without which nothing can be done. */
    public static QLoraException paramMissing(String stage, String param, String doc) {
        return error(110, stage + ": " + param + " is not set (" + doc + "); set it");
    }

    /** A column that is not there. */
    public static QLoraException columnMissing(String stage, String param, String column, List<String> columns) {
        return error(
                111,
                stage + ": " + param + " names '" + column + "', which the dataset doesn't have; its columns are "
                        + String.join(", ", columns) + "; name another one, or tokenise first (ChatTokenizer)");
    }

    /** A column of another type. */
    public static QLoraException columnType(String stage, String param, String column, String type, String wanted) {
        return error(
                112,
                stage + ": the column '" + column + "' (" + param + ") is of type " + type + ", wanted is " + wanted
                        + "; name another column or convert it");
    }

    /** A column that would be there twice. */
    public static QLoraException columnExists(String stage, String param, String column) {
        return error(
                113,
                stage + ": " + param + " is '" + column + "', which the dataset has already; drop that column, or set "
                        + param + " to another name");
    }

    /** A stage that has nothing to do. */
    public static QLoraException noOutput(String stage, List<String> params) {
        return error(114, stage + ": " + String.join(" and ", params) + " are empty; name at least one");
    }

    /** Nothing to take the perplexity of. */
    public static QLoraException nothingCounted(String stage, String lossCol) {
        return error(
                115,
                stage + ": no row of the dataset has a loss in '" + lossCol
                        + "'; give rows with labels, transformed by a QLoraModel");
    }

    /** A folder that holds no model, or half of one. */
    public static QLoraException modelUnreadable(String path, String problem) {
        return error(116, "the model in " + path + " can't be read: " + problem + "; save it again");
    }

    private static QLoraException error(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
