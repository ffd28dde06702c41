// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.config.ConfigJson;
import java.io.PrintStream;
import java.util.Map;

/**
 * Where commands print.
 *
 * @param out results; the last line is the outcome
 * @param err what happens meanwhile
 */
record Console(PrintStream out, PrintStream err) {

    /** Prints the outcome: the last line. */
    void outcome(Map<String, ?> values) {
        err.flush();
        out.println(ConfigJson.text(values));
        out.flush();
    }
}
