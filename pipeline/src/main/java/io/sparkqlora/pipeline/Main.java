// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.cli.CommandLineApp;

/** The command line: {@code ./qlora …}, and the main class under {@code spark-submit}. */
public final class Main {

    private Main() {}

    /** Runs a command; the exit code is that of the failure's kind. */
    public static void main(String[] args) {
        int code = CommandLineApp.runProcess(System.out, System.err, args);
        // returning, where all is well, lets cluster managers see an orderly end; they take an early exit for a failure
        if (code != 0) {
            System.exit(code);
        }
    }
}
