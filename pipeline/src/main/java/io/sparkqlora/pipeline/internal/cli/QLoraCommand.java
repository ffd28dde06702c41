// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What all commands share. */
@Command(mixinStandardHelpOptions = true, sortOptions = false)
abstract class QLoraCommand implements Callable<Integer> {

    @Option(names = "--debug", description = "Print the stack trace of a failure.")
    boolean debug;

    @Spec
    CommandSpec spec;

    final Console console;

    QLoraCommand(Console console) {
        this.console = console;
    }

    /** Does the work; gives what the outcome says beside status and command. */
    abstract Map<String, Object> execute() throws Exception;

    /** The exit code of an outcome. */
    int exitCode(Map<String, Object> outcome) {
        return 0;
    }

    @Override
    public final Integer call() throws Exception {
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("status", "ok");
        outcome.put("command", spec.name());
        outcome.putAll(execute());
        console.outcome(outcome);
        return exitCode(outcome);
    }
}
