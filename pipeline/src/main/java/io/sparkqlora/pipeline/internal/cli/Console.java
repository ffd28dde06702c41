// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.config.ConfigJson;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;

/** Where commands print: results to {@code out}, whose last line is the outcome; what happens meanwhile to {@code err}. */
final class Console {

    private final PrintStream out;
    private final PrintStream err;
    private boolean told;

    Console(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    PrintStream out() {
        return out;
    }

    PrintStream err() {
        return err;
    }

    /** Prints the outcome: the last line. There is only one: a signal may end a command that is ending anyway. */
    synchronized void outcome(Map<String, ?> values) {
        if (!told) {
            told = true;
            err.flush();
            out.println(ConfigJson.text(values));
            out.flush();
        }
    }

    /** Prints a failure, for people and as the outcome, unless there is an outcome already. */
    synchronized void failure(String status, String code, String message) {
        if (!told) {
            err.println("qlora: " + message);
            Map<String, Object> outcome = new LinkedHashMap<>();
            outcome.put("status", status);
            outcome.put("code", code);
            outcome.put("message", message);
            outcome(outcome);
        }
    }
}
