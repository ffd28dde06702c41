// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.run.Failures;
import io.sparkqlora.pipeline.internal.run.Interruption;
import java.util.function.BooleanSupplier;
import picocli.CommandLine;

/** What a failed command prints, and its exit code. */
final class FailureReport {

    private static final int BUG = 1;
    private static final int USAGE = 2;

    private static final String INTERRUPTED = "QLORA-P031";

    private final Console console;
    private final BooleanSupplier processEnds;

    FailureReport(Console console) {
        this(console, Interruption::processEnds);
    }

    /** @param processEnds whether a signal is ending the process */
    FailureReport(Console console, BooleanSupplier processEnds) {
        this.console = console;
        this.processEnds = processEnds;
    }

    /** A signal ended the process. */
    void interrupted(QLoraException e) {
        print(e.code(), e.getMessage());
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
        QLoraException known = processEnds.getAsBoolean() ? Interruption.outcome() : Failures.find(e);
        if (known != null) {
            print(known.code(), Failures.firstLine(known.getMessage()));
        } else {
            bug(e);
        }
        if (debug) {
            e.printStackTrace(console.err());
        }
        return known == null ? BUG : known.kind().exitCode();
    }

    /** A failure that nobody foresaw. */
    int bug(Throwable e) {
        if (processEnds.getAsBoolean()) {
            interrupted(Interruption.outcome());
            return BUG;
        }
        print(
                "QLORA-P000",
                "QLORA-P000: " + Failures.oneLine(e) + "; this is a bug, please report it with --debug's trace");
        return BUG;
    }

    private void print(String code, String message) {
        console.failure(code.equals(INTERRUPTED) ? "interrupted" : "error", code, message);
    }
}
