// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.run.Failures;
import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine;

/** What a failed command prints, and its exit code. */
final class FailureReport {

    private static final int BUG = 1;
    private static final int USAGE = 2;

    private final PrintStream out;
    private final PrintStream err;

    FailureReport(PrintStream out, PrintStream err) {
        this.out = out;
        this.err = err;
    }

    /** A command line that picocli can't parse. */
    int usage(CommandLine.ParameterException e, String[] args) {
        String command = e.getCommandLine().getCommandSpec().qualifiedName();
        String message = Failures.firstLine(e.getMessage()) + "; `" + command + " --help` shows the options";
        print("QLORA-P029", "QLORA-P029: " + message);
        return USAGE;
    }

    /** A command that threw. */
    int failure(Exception e, CommandLine line, CommandLine.ParseResult parsed) {
        boolean debug = line.getCommand() instanceof QLoraCommand command && command.debug;
        QLoraException known = Failures.find(e);
        if (known != null) {
            print(known.code(), Failures.firstLine(known.getMessage()));
        } else {
            print(
                    "QLORA-P000",
                    "QLORA-P000: " + Failures.oneLine(e) + "; this is a bug, please report it with --debug's trace");
        }
        if (debug) {
            e.printStackTrace(err);
        }
        return known == null ? BUG : known.kind().exitCode();
    }

    private void print(String code, String message) {
        err.println("qlora: " + message);
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("status", "error");
        outcome.put("code", code);
        outcome.put("message", message);
        new Console(out, err).outcome(outcome);
    }
}
