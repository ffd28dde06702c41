// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.PipelineErrors;
import java.util.List;

/** Options that take one of a few words. */
final class Choices {

    private Choices() {}

    /** The word, if it is one of those that are allowed. */
    static String of(String option, String value, String... allowed) {
        if (!List.of(allowed).contains(value)) {
            throw PipelineErrors.badValue("command line", option, value, "one of " + String.join(", ", allowed));
        }
        return value;
    }
}
