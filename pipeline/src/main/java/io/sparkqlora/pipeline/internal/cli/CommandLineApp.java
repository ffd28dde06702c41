// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.ConfigReference;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Parses the command line, runs the command, prints its outcome as the last line of stdout. */
@Command(
        name = "qlora",
        description = "QLoRA instruction tuning as a Spark batch job.",
        mixinStandardHelpOptions = true,
        versionProvider = Versions.class,
        subcommands = {
            DemoCommand.class,
            TokenizeCommand.class,
            TrainCommand.class,
            EvaluateCommand.class,
            GenerateCommand.class,
            ExportCommand.class,
            BenchCommand.class,
            PlanCommand.class
        },
        footer = {
            "%nThe last line on stdout is a JSON object with the outcome.",
            "Exit codes: 0 done, 1 a bug, 2 wrong option, key or value, 3 unusable checkpoint, tokenizer, template or "
                    + "dataset, 4 diverged, 5 too little memory, 6 device failed, 7 another run holds it, 130 interrupted."
        })
public final class CommandLineApp {

    private CommandLineApp() {}

    /** Runs a command; gives its exit code. */
    public static int run(PrintStream out, PrintStream err, String... args) {
        QuietLogging.configure();
        CommandLine line = new CommandLine(new CommandLineApp(), new CommandFactory(new Console(out, err)));
        FailureReport report = new FailureReport(out, err);
        line.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
        line.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
        line.getSubcommands().values().stream()
                .filter(command -> command.getCommand() instanceof JobCommand)
                .forEach(command -> command.getCommandSpec().usageMessage().footer(ConfigReference.help()));
        line.setParameterExceptionHandler(report::usage);
        line.setExecutionExceptionHandler(report::failure);
        line.setExecutionStrategy(new CommandLine.RunLast());
        return line.execute(args);
    }
}
